import { errorLine } from "../errors.ts";
import { every } from "../platform/timing.ts";
import type { Clock, Log } from "../ports.ts";
import { type RelayNote, SAY_EVERY } from "../store/access/relays.ts";
import type { Store } from "../store/store.ts";

/** Milliseconds between two looks for relays that are gone. */
const LOOK_EVERY = 10_000;

/**
 * A relay judges no other before it has said for so long, without a failure, that it lives itself, in milliseconds: while the
 * database was away none could say so.
 */
const STEADY_FOR = 30_000;

/**
 * On a store that several relays work on: says that this one lives, and takes over what waits in the spool of one that is gone.
 * `note`: as it is at each call. `wake`: there is work. The returned function ends it.
 */
export async function startRelayNotes(
  store: Store,
  { clock, log }: { clock: Clock; log: Pick<Log, "warn"> },
  { note, wake }: { note(): RelayNote; wake(): void },
): Promise<() => void> {
  if (store.shared === null) return () => {};
  await store.noteRelay(note());
  let steadySince: number | null = clock.elapsed();

  /** The store tells of its own trouble; the next turn tries again. */
  async function say(): Promise<void> {
    try {
      await store.noteRelay(note());
      steadySince ??= clock.elapsed();
    } catch {
      steadySince = null;
    }
  }

  async function takeOver(): Promise<void> {
    if (steadySince === null || clock.elapsed() - steadySince < STEADY_FOR) return;
    const taken = await store.takeOver();
    for (const { mediumId: medium, videoId: video, relay } of taken) {
      log.warn("a relay is gone with a file that was not uploaded yet: it is downloaded again", {
        medium,
        video,
        relay,
      });
    }
    if (taken.length > 0) wake();
  }

  const ends = [
    every(SAY_EVERY, clock, say),
    every(LOOK_EVERY, clock, () =>
      takeOver().catch((error) =>
        log.warn("relays that are gone could not be looked for", { error: errorLine(error) }),
      ),
    ),
  ];
  return () => {
    for (const end of ends) end();
  };
}
