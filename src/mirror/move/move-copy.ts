import { extname } from "node:path";
import type { Config } from "../../config/schema.ts";
import { errorLine, RelayError } from "../../errors.ts";
import type { TaskJob } from "../../model/task.ts";
import { sha256OfFile } from "../../platform/files/sha256.ts";
import type { Ports } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import type { MirrorTarget } from "../../targets/target.ts";
import type { CopyLocks } from "../copy-locks.ts";
import { LocalFailure } from "../errors.ts";
import type { Targets } from "../open-targets.ts";
import { findCopy, putCopy, type Wanted } from "../upload/put-copy.ts";
import type { TargetHealth } from "../upload/target-health.ts";
import { isSameFile, type Kept, readSource } from "./source.ts";

/**
 * What became of a move: `moved`; `failed`: its source is gone or damaged, which the task counts; `none`: there was nothing to
 * move any longer; `again`: not yet, and why (null: its medium is being downloaded or uploaded); `lost`: the task has ended.
 */
export type Moved =
  | { is: "moved" | "none" | "lost" }
  | { is: "failed"; error: string }
  | { is: "again"; why: string | null };

export type MoveParts = {
  config: Pick<Config["mirror"], "key" | "minFreeDisk" | "concurrency">;
  store: Pick<
    Store,
    | "copiesElsewhere"
    | "placeMove"
    | "settleMove"
    | "failedMoves"
    | "forgetFailedMoves"
    | "dropFormerCopies"
    | "noteWait"
    | "medium"
    | "targets"
    | "shared"
  >;
  targets: Pick<Targets, "present" | "presentId" | "at">;
  ports: Pick<Ports, "clock" | "log">;
  spoolDir: string;
  targetHealth: TargetHealth;
  /** Shared with uploads and deletions. */
  locks: CopyLocks;
};

/** How a task moves. `pace` is awaited between pieces of a copy. */
export type MoveOptions = { deleteSource: boolean; pace(bytes: number, signal: AbortSignal): Promise<void> };

/** No id and no template makes such a key. */
const NO_KEY = "~move";

/** How often a source that cannot be read is tried, while its target answers. */
const TRIES = 3;

/** The place could not be written down: the medium has changed, or the task has ended. */
class Unplaced extends Error {
  readonly is: "busy" | "changed" | "lost";
  constructor(is: "busy" | "changed" | "lost") {
    super(`the copy is not to be moved now: ${is}`);
    this.is = is;
  }
}

const AFTER: Record<Unplaced["is"], Moved> = {
  busy: { is: "again", why: null },
  changed: { is: "none" },
  lost: { is: "lost" },
};

/**
 * Moves one copy at a call: proves it where it is, puts it under its key into the present target, proves it there, and turns its
 * row. A file that is at its new place already is taken over.
 */
export function createMoveCopy(parts: MoveParts) {
  const { config, store, targets, ports, spoolDir, targetHealth, locks } = parts;
  const { present, presentId } = targets;
  const { clock, log } = ports;
  /** Of sources that could not be read: how often. */
  const tries = new Map<string, number>();

  /** A source that fails, while its target answers and the spool has room, may be one that cannot be read. */
  async function sourceFailed(medium: Kept, source: MirrorTarget | null, error: unknown): Promise<Moved> {
    const line = errorLine(error);
    const answers =
      source !== null &&
      !(error instanceof LocalFailure) &&
      (await source
        .head(NO_KEY)
        .then(() => true)
        .catch(() => false));
    const tried = (tries.get(medium.id) ?? 0) + (answers ? 1 : 0);
    tries.set(medium.id, tried);
    return tried < TRIES ? { is: "again", why: line } : { is: "failed", error: `its copy cannot be read: ${line}` };
  }

  async function prove({ sha256 }: Kept, key: string, from: string, signal: AbortSignal): Promise<void> {
    // A bucket has proven it by its checksum.
    const file = await present.file(key);
    if (file === null || (await isSameFile(file, from)) || (await sha256OfFile(file, signal)) === sha256) return;
    throw new Error(`${key} was put, and another file is there`);
  }

  /** When the source may go: readers may have been sent to it until a moment ago. */
  async function deletionTime(medium: Kept, source: MirrorTarget): Promise<number> {
    const opened = await source.open(medium.key, "GET");
    if (opened?.is === "file") await opened.close();
    return clock.now() + (opened?.is === "elsewhere" ? opened.lasts : 0);
  }

  async function move(
    job: TaskJob,
    medium: Kept,
    { deleteSource, pace }: MoveOptions,
    signal: AbortSignal,
  ): Promise<Moved> {
    const { id, videoId, kind, eventId, target, key, bytes, sha256, contentType } = medium;
    const copy = copyOf(medium);
    const place = async (key: string, passed: string[]) => {
      const placed = await store.placeMove(job, { ...copy, to: { target: presentId, key, passed } }, clock.now());
      if (placed.is !== "placed") throw new Unplaced(placed.is);
      return placed.again;
    };
    const fail = async (error: string): Promise<Moved> => {
      const { is } = await store.settleMove(job, copy, { is: "failed", error }, clock.now());
      if (is !== "failed") return is === "moved" ? { is } : AFTER[is];
      log.warn("copy not moved", { medium: id, video: videoId, key, error });
      return { is, error: `${id}: ${error}` };
    };
    // Also where it may have been put already: then that is known, and found again.
    const again = await place(key, []);
    let source: MirrorTarget | null = null;
    let found: Awaited<ReturnType<typeof readSource>>;
    try {
      source = await targets.at(target);
      if (source === null) return fail(`nothing is known of its target ${target}`);
      found = await readSource(medium, { target: source, spoolDir, minFree: config.minFreeDisk, pace }, signal);
    } catch (error) {
      signal.throwIfAborted();
      const failed = await sourceFailed(medium, source, error);
      return failed.is === "failed" ? fail(failed.error) : failed;
    }
    try {
      const file = { bytes, sha256, contentType, ext: extname(key), suspect: null, etag: null, lastModified: null };
      const own = { target, key, sha256, isWhole: true };
      const wanted: Wanted = {
        ...{ target: present, targetId: presentId, template: config.key, isMoved: true, signal },
        isShared: store.shared !== null,
        ...{ job: { videoId, kind, eventId, file, isSecond: false, own } },
        ...("file" in found && found.isOwn && { pace }),
      };
      const to = await put(wanted, found, again, async (key, passed) => void (await place(key, passed)));
      if (to === null) return fail((found as { why: string }).why);
      if ("file" in found) await prove(medium, to, found.file, signal);
      const deleteAt = deleteSource ? await deletionTime(medium, source) : null;
      const moved = { is: "moved", to: { target: presentId, key: to }, deleteAt } as const;
      const { is } = await store.settleMove(job, copy, moved, clock.now());
      targetHealth.worked();
      if (is !== "moved") return is === "failed" ? { is, error: "" } : AFTER[is];
      tries.delete(id);
      log.debug("copy moved", { medium: id, video: videoId, key: to, bytes });
      return { is };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Unplaced || isOfStore(error)) throw error;
      const isDown = await targetHealth.failed(error);
      const line = `target: ${errorLine(error)}`;
      if (!isDown) log.warn("copy not moved yet", { medium: id, video: videoId, key, error: line });
      return { is: "again", why: line };
    } finally {
      if ("file" in found) await found.end().catch(() => {});
    }
  }

  /** Puts what was found; of what is gone, where it was put before. Null: nowhere. */
  async function put(
    wanted: Wanted,
    found: Awaited<ReturnType<typeof readSource>>,
    again: boolean,
    place: (key: string, passed: string[]) => Promise<void>,
  ): Promise<string | null> {
    return "file" in found ? putCopy(wanted, { file: found.file, again, place }) : findCopy(wanted);
  }

  return {
    /** Throws the signal's reason when that is aborted, and what the store throws. */
    async moveCopy(job: TaskJob, mediumId: string, options: MoveOptions, signal: AbortSignal): Promise<Moved> {
      const { videoId, kind } = await store.medium(mediumId);
      return locks.withLock(videoId, kind, async () => {
        signal.throwIfAborted();
        const medium = await store.medium(mediumId);
        if (!isKept(medium) || medium.target === presentId) return { is: "none" };
        const moved = await move(job, medium, options, signal).catch((error) => {
          if (error instanceof Unplaced) return AFTER[error.is];
          throw error;
        });
        if (moved.is === "again" && store.shared !== null)
          await store.settleMove(job, copyOf(medium), { is: "later" }, clock.now());
        return moved;
      });
    },
  };
}

const copyOf = ({ id, target, key, sha256 }: Kept) => ({ mediumId: id, from: { target, key, sha256 } });

const isOfStore = (error: unknown) => error instanceof RelayError && error.code === "store_unavailable";

function isKept(medium: Awaited<ReturnType<Store["medium"]>>): medium is Kept {
  const { state, target, key, bytes, sha256 } = medium;
  const isLive = state !== "superseded" && state !== "deleted";
  return isLive && target !== null && key !== null && bytes !== null && sha256 !== null;
}
