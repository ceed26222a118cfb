import { errorLine } from "../errors.ts";
import { expiryAt, type Pruned, prunedRows, type Retention } from "../model/retention.ts";
import { every } from "../platform/timing.ts";
import type { Ports } from "../ports.ts";
import { type ArchiveQueued, giveBackInPieces, noteStorage, pruneArchived, roomToLeave } from "../store/retention.ts";
import type { Store } from "../store/store.ts";

/**
 * Milliseconds: the wait after a start, in which a machine's clock that is wrong is set right, and the interval at which it
 * is looked for what has expired.
 */
const FIRST_AFTER = 15 * 60_000;
const LOOK_EVERY = 60 * 60_000;

/** Milliseconds. A clock that was set forward by more than this is not believed for as long: it may be an error. */
const JUMP = 60 * 60_000;

/**
 * Prunes what has expired (CONTRACT, "Retention"), and gives the room back, once an hour, in pieces that hold no event up.
 * `retention`: as the config says now; where that has an
 * archive, `archive` fills it first.
 */
export function startRetention(options: {
  store: Pick<Store, "prune" | "noteArchive" | "space" | "giveBack" | "noteReading" | "shared">;
  ports: Ports;
  retention(): Retention;
  archive: ArchiveQueued;
}): { stop(): Promise<void> } {
  const { store, ports, retention, archive } = options;
  const { clock, log, random } = ports;
  const stopped = new AbortController();
  const { signal } = stopped;
  const by = Buffer.from(random.bytes(8)).toString("hex");
  let turn = Promise.resolve();
  let seen = { now: clock.now(), elapsed: clock.elapsed() };
  let believedFrom = clock.elapsed();
  const cancel = every(LOOK_EVERY, clock, look, { first: FIRST_AFTER });

  /** What is pruned cannot be had back. */
  function isBelieved(): boolean {
    const present = { now: clock.now(), elapsed: clock.elapsed() };
    const jump = present.now - seen.now - (present.elapsed - seen.elapsed);
    seen = present;
    if (jump > JUMP) believedFrom = present.elapsed + JUMP;
    return present.elapsed >= believedFrom;
  }

  async function run(): Promise<void> {
    if (!isBelieved()) return log.warn("nothing is pruned for an hour, because the clock was set forward");
    const began = clock.elapsed();
    const expiry = expiryAt(clock.now(), retention());
    const done = await pruneArchived(store, { expiry, by, archive }, { clock, signal });
    const { pruned, isWhole, archived, archiveError } = done;
    if (archiveError !== null)
      log.warn("what has expired cannot be archived, and is not pruned", { error: archiveError });
    const returned = isWhole ? await giveBackInPieces(store, roomToLeave(await store.space()), { clock, signal }) : 0;
    const ms = Math.round(clock.elapsed() - began);
    if (isWhole) await noteStorage(store, pruned, clock.now());
    if (prunedRows(pruned) > 0 || returned > 0)
      log.info("pruned", { ...counts(pruned), ...(expiry.archives && { archived }), returned, ms });
  }

  function look(): Promise<void> {
    turn = run().catch((error) => {
      if (!signal.aborted) log.warn("what has expired could not be pruned", { error: errorLine(error) });
    });
    return turn;
  }

  return {
    async stop() {
      stopped.abort(new Error("the relay stops"));
      cancel();
      await turn;
    },
  };
}

const counts = (pruned: Pruned) => Object.fromEntries(Object.entries(pruned).map(([kind, { rows }]) => [kind, rows]));
