import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorLine, RelayError } from "../errors.ts";
import type { ArchiveFile } from "../model/archive.ts";
import { giveToOwnerOf } from "../platform/files/file-system.ts";
import { every } from "../platform/timing.ts";
import type { Ports } from "../ports.ts";
import type { ArchiveVerbs, Archivist, OpenPart, StrayFile } from "../store/archive/verbs.ts";
import { examinePartFile } from "./part-file.ts";
import type { Shelf, Shelves } from "./shelves.ts";

/** What works on the archive. */
export type ArchiveParts = {
  store: ArchiveVerbs;
  shelves: Shelves;
  ports: Pick<Ports, "clock" | "random" | "log">;
  /** Absolute. Files are written there before they go to their place. */
  dataDir: string;
  /** Where a part ends: bytes of text, and events. */
  limits?: { text: number; events: number };
};

/** Milliseconds after which one that is silent has lost its turn, and how often it says that it goes on. */
const LEASE = 30_000;
const HOLD_EVERY = 10_000;

export const archivist = (by: string): Archivist => ({ by, leaseFor: LEASE });

/** Random, so that no other file has the name, and a reader of copies cannot guess it. */
export const tagOf = ({ random }: Pick<Ports, "random">) => Buffer.from(random.bytes(8)).toString("hex");

/** The next one need not wait for the lease's end, also where this one failed. */
export async function free({ store, ports }: Pick<ArchiveParts, "store" | "ports">, by: string): Promise<void> {
  await store.holdArchive({ by, leaseFor: 0 }, ports.clock.now()).catch(() => {});
}

/** Runs `work`, which may take long, and stays the archivist meanwhile. */
export async function holding<T>(
  { store, ports: { clock } }: Pick<ArchiveParts, "store" | "ports">,
  by: string,
  work: () => Promise<T>,
): Promise<T> {
  // Where it was lost, the next verb says so.
  const cancel = every(HOLD_EVERY, clock, () => store.holdArchive(archivist(by), clock.now()).catch(() => {}));
  try {
    return await work();
  } finally {
    cancel();
  }
}

/** How a file's name ends that is on its way: none of an archive's does. */
const DRAFT = ".draft";

/** Gives `work` a path for a file in the data folder, which is removed afterwards, as are those that killed runs have left. */
export async function withDraft<T>(dataDir: string, by: string, work: (path: string) => Promise<T>): Promise<T> {
  const dir = join(dataDir, ".archive");
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (!(await lstat(dir)).isDirectory())
    throw new RelayError("target_unavailable", `${dir} is a link: replace it by a folder`);
  await giveToOwnerOf(dataDir, dir);
  // There is one archivist at a time.
  const left = (await readdir(dir)).filter((name) => name.endsWith(DRAFT));
  for (const name of left) await rm(join(dir, name), { force: true });
  const path = join(dir, by + DRAFT);
  try {
    return await work(path);
  } finally {
    await rm(path, { force: true });
  }
}

/** Puts a file in its place, reads it back, and compares. RelayError("target_unavailable"): what was read is something else. */
export async function putPart(
  { shelf, key, place }: Pick<OpenPart, "key" | "place"> & { shelf: Shelf },
  path: string,
  file: ArchiveFile,
  signal: AbortSignal,
): Promise<void> {
  const about = { contentType: "application/gzip", bytes: file.bytes, sha256: file.sha256 };
  const how = { eventId: "archive", videoId: "archive", replace: false, again: false, isPrivate: true };
  const placed = await shelf.put(key, path, { ...about, ...how }, signal);
  if ("dir" in place) await giveToOwnerOf(place.dir, join(place.dir, key)).catch(() => {});
  const source = placed === "exists-different" ? null : await shelf.read(key, signal);
  const found = source === null ? null : await examinePartFile(source);
  const isSame = (Object.keys(file) as (keyof ArchiveFile)[]).every((name) => found?.[name] === file[name]);
  if (isSame) return;
  throw new RelayError(
    "target_unavailable",
    `${key} was written into the archive, and what was read back is not the same`,
  );
}

/**
 * Removes what was left behind: files that are in no part, and parts that were not finished. Resolves with what could not be removed:
 * it stays known, and harms none. `stuck`: keys that are not tried again; those that fail are added.
 */
export async function clearStrays(
  parts: ArchiveParts,
  by: string,
  signal: AbortSignal,
  stuck: Set<string> = new Set(),
): Promise<StrayFile[]> {
  const { store, shelves, ports } = parts;
  const left: StrayFile[] = [];
  const strays = await store.strayFiles(by);
  const clear = async () => {
    for (const stray of strays) {
      signal.throwIfAborted();
      const error = stuck.has(stray.key) ? null : await removeFile(stray);
      if (error !== null) {
        stuck.add(stray.key);
        ports.log.warn("a file that the archive does not need cannot be removed", { key: stray.key, error });
      }
      if (stuck.has(stray.key)) left.push(stray);
      else while ((await store.dropFile(stray)).isMore);
    }
  };
  if (strays.length > 0) await holding(parts, by, clear);
  return left;

  /** Null: it is gone; else why not. */
  async function removeFile({ key, place }: StrayFile): Promise<string | null> {
    try {
      await (await shelves.at(place)).delete(key, signal);
      return null;
    } catch (error) {
      signal.throwIfAborted();
      return errorLine(error);
    }
  }
}
