import { createHash } from "node:crypto";
import { constants, createReadStream, createWriteStream } from "node:fs";
import { link, lstat, mkdir, open, realpath, rename, rm, rmdir, unlink } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { RelayError } from "../errors.ts";
import { codeOf, makeFolder, nullWhereMissing, syncFile, syncFolder } from "./durable.ts";
import { readRange } from "./read-range.ts";
import type { MirrorTarget, Placed } from "./target.ts";
import { createTurns } from "./turns.ts";

/** The parts of a key: what `keyOf` makes, and nothing that a file system could take for anything but a name. */
const KEY_PART = /^[\w~-][\w.~-]{0,254}$/;

/** Where copies from another file system are written before they get their name; no key begins with a dot. */
const INCOMING = ".incoming";

/** Errors by which a file system says that it has no hard links, or no more for this file (link(2)). */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EACCES", "EINVAL"]);

/** How often a folder that a delete has just removed is made again. */
const TRIES = 3;

/**
 * Copies in a directory, which is created where it is missing. Names appear by link(2) or rename(2), so that a reader never
 * sees half a file, and only after file and folders are on the disk. Symbolic links inside the directory are not followed
 * by writes. Throws the system's errors. `hardLink` is link(2), for tests that do without it.
 */
export async function openLocalTarget(
  { dir }: { type: "local"; dir: string },
  hardLink: typeof link = link,
): Promise<MirrorTarget> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const root = await realpath(dir);
  // What a crash left on its way: the one relay of this directory begins now, so nobody is writing there.
  await rm(join(root, INCOMING), { recursive: true, force: true });
  const inTurn = createTurns();

  function pathOf(key: string): string {
    const parts = key.split("/");
    const path = join(root, ...parts);
    if (parts.every((part) => KEY_PART.test(part)) && path.startsWith(root + sep)) return path;
    throw new RelayError("internal", `${JSON.stringify(key)} is no key of a mirrored file`);
  }

  async function makeFolders(key: string): Promise<void> {
    let folder = root;
    for (const part of key.split("/").slice(0, -1)) {
      const parent = folder;
      folder = join(folder, part);
      if (await makeFolder(folder)) await syncFolder(parent);
    }
  }

  /** A copy on the target's file system. Its name depends on what it is, so that a crash leaves at most one behind. */
  async function bringOver(file: string, key: string, sha256: string, signal: AbortSignal): Promise<string> {
    const folder = join(root, INCOMING);
    await makeFolder(folder);
    const copy = join(folder, createHash("sha256").update(`${key} ${sha256}`).digest("hex").slice(0, 32));
    // Never written over: after a crash it may be the very file that got the key's name by a link.
    await rm(copy, { force: true });
    const read = createReadStream(file, { highWaterMark: 2 ** 20 });
    const write = createWriteStream(copy, { highWaterMark: 2 ** 20, flags: "wx", mode: 0o640, flush: true });
    await pipeline(read, write, { signal }).catch(async (error) => {
      await rm(copy, { force: true });
      throw error;
    });
    return copy;
  }

  return {
    put: (key, file, { sha256, replace }, signal) =>
      inTurn(key, async () => {
        const path = pathOf(key);
        signal.throwIfAborted();
        await syncFile(file);
        let source = file;
        try {
          for (let attempt = 1; ; ) {
            signal.throwIfAborted();
            await makeFolders(key);
            try {
              const placed = await place(source, path, replace, hardLink);
              await syncFolder(dirname(path));
              if (placed) return "stored";
              return await compare(path, sha256, signal);
            } catch (error) {
              if (codeOf(error) === "EXDEV" && source === file) source = await bringOver(file, key, sha256, signal);
              else if (codeOf(error) !== "ENOENT" || attempt++ === TRIES) throw error;
            }
          }
        } finally {
          if (source !== file) await rm(source, { force: true });
        }
      }),

    async head(key) {
      const found = await lstat(pathOf(key)).catch(nullWhereMissing);
      return found?.isFile() ? { bytes: found.size } : null;
    },

    delete: (key) =>
      inTurn(key, async () => {
        const path = pathOf(key);
        await unlink(path).catch(nullWhereMissing);
        let folder = dirname(path);
        while (
          folder !== root &&
          (await rmdir(folder).then(
            () => true,
            () => false,
          ))
        )
          folder = dirname(folder);
        await syncFolder(folder).catch(nullWhereMissing);
      }),

    async open(key) {
      const handle = await open(pathOf(key), constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch(nullWhereMissing);
      if (handle === null) return null;
      // Of the opened file, not of its name: the tag always speaks of the bytes that are sent.
      const stat = await handle.stat({ bigint: true });
      if (!stat.isFile()) {
        await handle.close();
        return null;
      }
      return {
        is: "file",
        bytes: Number(stat.size),
        modifiedAt: Number(stat.mtimeMs),
        tag: [stat.size, stat.mtimeNs, stat.ino].map((part) => part.toString(36)).join("-"),
        read: (start, end) => readRange(handle, start, end),
        close: () => handle.close(),
      };
    },
  };
}

/** Gives the file its name. False: there is something of that name already, and it was not to be replaced. */
async function place(file: string, path: string, replace: boolean, hardLink: typeof link): Promise<boolean> {
  if (replace) {
    await rename(file, path);
    return true;
  }
  try {
    await hardLink(file, path);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST") return false;
    if (!NO_LINKS.has(code)) throw error;
  }
  // Without hard links look first: puts of one key take turns, and one relay owns the directory.
  if ((await lstat(path).catch(nullWhereMissing)) !== null) return false;
  await rename(file, path);
  return true;
}

async function compare(path: string, sha256: string, signal: AbortSignal): Promise<Placed> {
  if (!(await lstat(path)).isFile()) return "exists-different";
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash, { signal });
  return hash.digest("hex") === sha256 ? "exists-same" : "exists-different";
}
