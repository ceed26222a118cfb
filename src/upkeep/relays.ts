import { errorLine } from "../errors.ts";
import { every } from "../platform/timing.ts";
import type { Clock, Log } from "../ports.ts";
import { type RelayNote, SAY_EVERY } from "../store/access/relays.ts";
import type { Store } from "../store/store.ts";

/** Milliseconds between two looks for relays that are gone. */
const LOOK_EVERY = 15_000;

/** A new config is taken by one relay after the other: a difference is spoken of when it has lasted for longer, in milliseconds. */
const DIFFERS_FOR = 60_000;

/**
 * A relay judges no other before it has said for so long, without a failure, that it lives itself, in milliseconds: while the
 * database was away none could say so.
 */
const STEADY_FOR = 30_000;

export type RelayNotes = {
  /** What is wrong with the relays together, in a few words; null: nothing. */
  trouble(): string | null;
  stop(): void;
};

/**
 * On a store that several relays work on: says that this one lives, and takes over what waits in the spool of one that is gone.
 * `note`: as it is at each call. `wake`: there is work.
 */
export async function startRelayNotes(
  store: Store,
  { clock, log }: { clock: Clock; log: Pick<Log, "info" | "warn"> },
  { note, wake }: { note(): RelayNote; wake(): void },
): Promise<RelayNotes> {
  if (store.shared === null) return { trouble: () => null, stop() {} };
  await store.noteRelay(note());
  let steadySince: number | null = clock.elapsed();
  let differsSince: number | null = null;
  let trouble: string | null = null;

  function compare(differing: string[]): void {
    const now = clock.elapsed();
    differsSince = differing.length === 0 ? null : (differsSince ?? now);
    const isLasting = differsSince !== null && now - differsSince >= DIFFERS_FOR;
    if (isLasting === (trouble !== null)) return;
    trouble = isLasting ? "the relays of this store have different configs" : null;
    if (isLasting)
      log.warn(`${trouble}: what one of them accepts is sent as that one has it`, { others: differing.join(", ") });
    else log.info("the relays of this store have one config again");
  }

  /** The store tells of its own trouble; the next turn tries again. */
  async function say(): Promise<void> {
    try {
      compare((await store.noteRelay(note())).differing);
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
  return {
    trouble: () => trouble,
    stop() {
      for (const end of ends) end();
    },
  };
}
