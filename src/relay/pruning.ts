import { archiveQueued } from "../archive/archive.ts";
import type { ArchiveParts } from "../archive/put-part.ts";
import { rewriteErased } from "../archive/rewrite.ts";
import { type ArchiveTargets, openShelves } from "../archive/shelves.ts";
import type { Config } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import { every } from "../platform/timing.ts";
import type { Ports } from "../ports.ts";
import type { ArchiveQueued } from "../store/retention.ts";
import type { Store } from "../store/store.ts";
import { ownFolders } from "../targets/own-folders.ts";
import { startRetention } from "../upkeep/retention.ts";

/** How soon and how often it is looked whether the archive has what was erased, and the pause after a failure; milliseconds. */
const FIRST_AFTER = 1_000;
const LOOK_EVERY = 10_000;
const AGAIN_AFTER = 10 * 60_000;

type Parts = { store: Store; ports: Ports; config(): Config; targets(): ArchiveTargets };

/** The archive by the config as it is at each call. */
export function archiveOf({ store, ports, config, targets }: Parts): ArchiveParts {
  const { retention, dataDir, ...rest } = config();
  const taken = ownFolders({ dataDir, ...rest });
  const shelves = openShelves({ archive: retention.archive, targets: async () => targets(), access: "own", taken });
  return { store, ports, shelves, dataDir };
}

/** Fills the archive, before it is pruned. */
export const archiverOf =
  (parts: Parts): ArchiveQueued =>
  (by, signal) =>
    archiveQueued(archiveOf(parts), by, signal);

/** Prunes what has expired, and archives it first where the config says so; takes what was erased out of the archive. */
export function startPruning(parts: Parts): { stop(): Promise<void> } {
  const { store, ports, config } = parts;
  const { clock, log, random } = ports;
  const stopped = new AbortController();
  const by = Buffer.from(random.bytes(8)).toString("hex");
  const archive = archiverOf(parts);
  const retention = startRetention({ store, ports, retention: () => config().retention, archive });
  let turn = Promise.resolve();
  /** When parts that failed are tried again, by their ids; times of the monotonic clock. */
  const putOff = new Map<string, number>();
  let notBefore = Number.NEGATIVE_INFINITY;

  async function rewrite(): Promise<void> {
    if (clock.elapsed() < notBefore) return;
    try {
      const isPutOff = (part: string) => clock.elapsed() < (putOff.get(part) ?? Number.NEGATIVE_INFINITY);
      const { failed } = await rewriteErased(archiveOf(parts), by, stopped.signal, isPutOff);
      for (const part of failed) putOff.set(part, clock.elapsed() + AGAIN_AFTER);
    } catch (error) {
      if (stopped.signal.aborted || (error instanceof RelayError && error.code === "conflict")) return;
      notBefore = clock.elapsed() + AGAIN_AFTER;
      log.warn("what was erased is still in the archive", { error: errorLine(error) });
    }
  }

  function look(): Promise<void> {
    turn = rewrite();
    return turn;
  }
  const cancel = every(LOOK_EVERY, clock, look, { first: FIRST_AFTER });

  return {
    async stop() {
      stopped.abort(new Error("the relay stops"));
      cancel();
      await Promise.all([turn, retention.stop()]);
    },
  };
}
