import { freeBytes } from "../../platform/files/disk-space.ts";
import { asLocalFailure, LocalFailure } from "../errors.ts";

/** A download that space is reserved for. */
type Holder = {
  /** Bytes that it still has to write; null: unknown. */
  left: number | null;
  stop(reason: LocalFailure): void;
};

/**
 * The space on the spool's disk, of which `minFree` bytes stay free. `free` returns the free bytes of the folder's disk; tests
 * pass their own.
 */
export function createDiskBudget(spoolDir: string, minFree: number, free = freeBytes) {
  const holders = new Set<Holder>();
  /** Stopped, but not ended: its space is not free yet. */
  let stopping: Holder | null = null;

  const freeNow = () => asLocalFailure("disk space", () => free(spoolDir));
  const reserved = () => [...holders].reduce((sum, { left }) => sum + (left ?? 0), 0);

  function tooLittle(bytes: number, wanted: number): LocalFailure {
    const others = reserved();
    const parts = [`${bytes} bytes are free`, `mirror.minFreeDisk keeps ${minFree}`];
    if (others > 0) parts.push(`${others} are set aside for downloads under way`);
    if (wanted > 0) parts.push(`${wanted} are to come`);
    return new LocalFailure("disk space", `too little room in ${spoolDir}: ${parts.join(", ")}; free some`);
  }

  async function change(holder: Holder, wanted: number | null): Promise<void> {
    const bytes = await freeNow();
    // Nothing is awaited from here on, so that no other download gets the same space.
    holders.delete(holder);
    if (bytes - reserved() - (wanted ?? 0) < minFree) throw tooLittle(bytes, wanted ?? 0);
    holder.left = wanted;
    holders.add(holder);
  }

  /** Throws LocalFailure while less than `minFree` is free: no download starts. */
  async function check(): Promise<void> {
    const bytes = await freeNow();
    if (bytes < minFree) throw tooLittle(bytes, 0);
  }

  /** Reserves `left` bytes (null: unknown) for one download. Throws LocalFailure where there is not enough. */
  async function reserve(holder: Holder) {
    await change(holder, holder.left);
    return {
      /** Changes it to `bytes` (null: unknown). Throws LocalFailure where there is not enough. */
      resize: (bytes: number | null) => change(holder, bytes),
      /** Notes how many bytes are still to come; null: unknown. */
      left(bytes: number | null): void {
        holder.left = bytes;
      },
      /**
       * Looks whether the disk still has room for all downloads under way. If not, the one that needs the most is stopped; throws
       * LocalFailure where that is this one.
       */
      async check(): Promise<void> {
        const bytes = await freeNow();
        if (stopping !== null || !holders.has(holder) || bytes - reserved() >= minFree) return;
        stopping = [...holders].reduce((most, each) =>
          (each.left ?? Number.POSITIVE_INFINITY) > (most.left ?? Number.POSITIVE_INFINITY) ? each : most,
        );
        const failure = tooLittle(bytes, 0);
        if (stopping === holder) throw failure;
        stopping.stop(failure);
      },
      /** May be called again. */
      release(): void {
        holders.delete(holder);
        if (stopping === holder) stopping = null;
      },
    };
  }

  return { check, reserve };
}

export type DiskBudget = ReturnType<typeof createDiskBudget>;
export type Reservation = Awaited<ReturnType<DiskBudget["reserve"]>>;
