import { freeBytes } from "../../platform/files/disk-space.ts";
import { OwnTrouble, ours } from "../errors.ts";

/** A download that is under way, as the room sees it. */
type Guest = {
  /** Bytes that it still has to write; null: nobody knows. */
  left: number | null;
  giveUp(reason: OwnTrouble): void;
};

/** The room that is set aside for one download. */
export type Reservation = {
  /** It needs room for so many bytes after all (null: nobody knows). Throws OwnTrouble where there is not enough. */
  ask(bytes: number | null): Promise<void>;
  /** So many bytes are still to come; null: nobody knows. */
  left(bytes: number | null): void;
  /**
   * Looks again whether there is room for what is under way. Where there is not, the download that needs the most is given
   * up; throws OwnTrouble where that is this one.
   */
  check(): Promise<void>;
  /** It has ended; a second call does nothing. */
  release(): void;
};

/** The room on the spool's disk, of which `minFree` bytes stay free, whatever is under way. */
export type Room = {
  /** Throws OwnTrouble while less than that is free: then nothing new begins. */
  check(): Promise<void>;
  /** Sets room aside for `left` more bytes (null: nobody knows how many). Throws OwnTrouble where there is not enough. */
  reserve(guest: Guest): Promise<Reservation>;
};

/** `free`: bytes that are free in the folder, for tests. */
export function createRoom(
  spoolDir: string,
  minFree: number,
  free: (folder: string) => Promise<number> = freeBytes,
): Room {
  const guests = new Set<Guest>();
  /** Given up, but not gone yet: its room is not free before it is. */
  let leaving: Guest | null = null;

  const freeNow = () => ours("room", () => free(spoolDir));
  const promised = () => [...guests].reduce((sum, { left }) => sum + (left ?? 0), 0);

  function tooLittle(bytes: number, wish: number): OwnTrouble {
    const others = promised();
    const parts = [`${bytes} bytes are free`, `mirror.minFreeDisk keeps ${minFree}`];
    if (others > 0) parts.push(`${others} are set aside for downloads under way`);
    if (wish > 0) parts.push(`${wish} are to come`);
    return new OwnTrouble(`too little room in ${spoolDir}: ${parts.join(", ")}; free some`, { doing: "room" });
  }

  async function admit(guest: Guest, wish: number | null): Promise<void> {
    const bytes = await freeNow();
    // Nothing is awaited from here on: two that come together cannot both be promised the same room.
    guests.delete(guest);
    if (bytes - promised() - (wish ?? 0) < minFree) throw tooLittle(bytes, wish ?? 0);
    guest.left = wish;
    guests.add(guest);
  }

  return {
    async check() {
      const bytes = await freeNow();
      if (bytes < minFree) throw tooLittle(bytes, 0);
    },

    async reserve(guest) {
      await admit(guest, guest.left);
      return {
        ask: (bytes) => admit(guest, bytes),
        left(still) {
          guest.left = still;
        },
        async check() {
          const now = await freeNow();
          if (leaving !== null || !guests.has(guest) || now - promised() >= minFree) return;
          const largest = [...guests].reduce((most, each) => (need(each) > need(most) ? each : most));
          leaving = largest;
          const trouble = tooLittle(now, 0);
          if (largest === guest) throw trouble;
          largest.giveUp(trouble);
        },
        release() {
          guests.delete(guest);
          if (leaving === guest) leaving = null;
        },
      };
    },
  };
}

function need({ left }: Guest): number {
  return left ?? Number.POSITIVE_INFINITY;
}
