import { createHash } from "node:crypto";
import { constants, createReadStream, createWriteStream } from "node:fs";
import {
  access,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  unlink,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { codeOf, RelayError } from "../../errors.ts";
import { makeFolder, nullWhereMissing, syncFile, syncFolder } from "../../platform/files/file-system.ts";
import { sha256OfFile } from "../../platform/files/sha256.ts";
import { createTurns } from "../../platform/keyed-mutex.ts";
import type { Log } from "../../ports.ts";
import {
  type About,
  type Access,
  isKeyPart,
  type MirrorTarget,
  type Placed,
  partsOfKey,
  SpoolChanged,
} from "../target.ts";
import { createSharing, type FolderRights, type Shared } from "./folder-rights.ts";
import { INCOMING, type LocalTarget } from "./place.ts";
import { createLimiter, paced, readRange, readWhole } from "./read-range.ts";

/**
 * Errors of link(2) after which the file is copied: no hard links here, too many for this file, another file system.
 */
const NO_LINKS = new Set(["EXDEV", "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EACCES", "EINVAL"]);

/**
 * Concurrent reads of copies for readers. What is read is written to the reader in the same turn of the event loop, and
 * one connection is accepted a turn: with hundreds of readers, turns must stay short.
 */
const READS = 4;

/** Follows no symbolic link, and does not wait for the writer of a pipe. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Tries to make a folder that a concurrent delete removes. */
const TRIES = 10;

/**
 * Copies in a directory, which is made where it is missing and this relay's own. Names appear by link(2) or rename(2),
 * after file and folders are on the disk: a reader never sees part of a file. A file on the same file system is linked,
 * not copied. Writes follow no symbolic link inside the directory; the directory itself may be one when it is opened.
 * Copies are readable for the group and the others that the directory admits, backups for the relay alone. Throws the system's errors;
 * RelayError("target_unavailable") where the directory is missing, or has become a link to another one. `hardLink` is
 * link(2), replaced in tests.
 */
export async function openLocalTarget(
  { dir }: LocalTarget,
  options: { access?: Access; log?: Pick<Log, "warn">; hardLink?: typeof link } = {},
): Promise<MirrorTarget> {
  const { access: kind = "own", log, hardLink = link } = options;
  if (kind === "own" || kind === "joint") await mkdir(dir, { recursive: true, mode: 0o700 });
  const root = await realpath(dir).catch(nullWhereMissing);
  if (root === null) {
    const when = kind === "former" ? "were kept before" : "are kept";
    throw new RelayError("target_unavailable", `${dir}, where copies ${when}, is gone; bring it back`);
  }
  // Left by a crash: this relay alone uses the directory, and it starts now.
  if (kind === "own") await rm(join(root, INCOMING), { recursive: true, force: true });
  const inTurn = createTurns();
  const sharing = createSharing(root, log);

  /** Throws where the directory is missing, or a symbolic link has replaced it or a folder above it. */
  async function checkPlace(): Promise<void> {
    const now = await realpath(root!).catch(nullWhereMissing);
    if (now === root) return;
    if (now === null) throw gone();
    const line = `${root}, where copies are kept, leads to ${now} by a symbolic link now`;
    throw new RelayError("target_unavailable", `${line}: bring it back, or restart the relay to use that one`);
  }

  const gone = () => new RelayError("target_unavailable", `${root}, where copies are kept, is gone; bring it back`);
  const slots = createLimiter(READS);

  function pathOf(key: string): string {
    return join(root!, ...partsOfKey(key));
  }

  async function makeFolders(key: string, rights: FolderRights | null): Promise<void> {
    const folders: string[] = [];
    for (const part of key.split("/").slice(0, -1)) {
      const parent = folders.at(-1) ?? root!;
      const folder = join(parent, part);
      if (await makeFolder(folder)) await syncFolder(parent);
      folders.push(folder);
    }
    if (rights === null) return;
    // Last: a folder whose rights are changed may no longer pass its group on.
    for (const folder of folders) await sharing.give(folder, rights);
  }

  async function tryLink(file: string, path: string): Promise<"linked" | "exists" | "impossible"> {
    try {
      await hardLink(file, path);
      return "linked";
    } catch (error) {
      const code = codeOf(error);
      if (code === "EEXIST") return "exists";
      if (NO_LINKS.has(code)) return "impossible";
      throw error;
    }
  }

  /**
   * A second name for the file on the target's file system, or a copy. The name depends on key and content, so that a
   * crash leaves at most one.
   */
  async function bringOver(
    { file, key, rights, isPrivate, mayLink, pace }: Put,
    sha256: string,
    signal: AbortSignal,
  ): Promise<string> {
    const folder = join(root!, INCOMING);
    await makeFolder(folder);
    const copy = join(folder, createHash("sha256").update(`${key} ${sha256}`).digest("hex").slice(0, 32));
    // Never overwritten: after a crash it may be a second name of the file that the key leads to.
    await rm(copy, { force: true });
    if (mayLink && (await tryLink(file, copy)) === "linked") return copy;
    const read = createReadStream(file, { highWaterMark: 2 ** 20 });
    const mode = isPrivate ? 0o600 : 0o640;
    const write = createWriteStream(copy, { highWaterMark: 2 ** 20, flags: "wx", mode, flush: true });
    const pieces = pace === undefined ? read : paced(read, pace, signal);
    await pipeline(pieces, write, { signal }).catch(async (error) => {
      await rm(copy, { force: true });
      throw error;
    });
    if (rights !== null) await sharing.give(copy, rights);
    return copy;
  }

  /** Gives the file its name. False: the name is taken, and the file there is not to be replaced. */
  async function place(put: Put, path: string, replace: boolean, bring: () => Promise<string>): Promise<boolean> {
    if (!replace) {
      const linked = put.mayLink ? await tryLink(put.file, path) : "impossible";
      if (linked !== "impossible") return linked === "linked";
      if (await isTaken(path)) return false;
      await access(dirname(path), constants.W_OK); // A copy takes long: not for a folder that cannot take it.
    }
    const copy = await bring();
    if (!replace) {
      const linked = await tryLink(copy, path);
      if (linked !== "impossible") return linked === "linked";
      // Without hard links the name is looked up first: puts of one key are serialised, and one relay uses the
      // directory.
      if (await isTaken(path)) return false;
    }
    await rename(copy, path);
    return true;
  }

  /** Null: the key holds nothing. Throws where the whole directory is missing. */
  async function nothing(): Promise<null> {
    if ((await lstat(root!).catch(nullWhereMissing)) !== null) return null;
    throw gone();
  }

  async function openFile(key: string): Promise<FileHandle | null> {
    const handle = await open(pathOf(key), OPEN_FLAGS).catch(nullWhereMissing);
    if (handle === null) return nothing();
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    return null;
  }

  return {
    put: (key, file, { sha256, replace, again, isPrivate = false, pace }, signal) =>
      inTurn(key, async () => {
        const path = pathOf(key);
        signal.throwIfAborted();
        if (again && (await sha256OfFile(file, signal)) !== sha256) {
          throw new SpoolChanged(`${file} is not what was downloaded: its sha256 is another one`);
        }
        await checkPlace();
        const put = { file, key, pace, ...(await sharing.prepare(file, isPrivate)) };
        await syncFile(file);
        let copy: string | null = null;
        const bring = async () => {
          copy ??= await bringOver(put, sha256, signal);
          return copy;
        };
        try {
          for (let attempt = 1; ; ) {
            signal.throwIfAborted();
            try {
              await makeFolders(key, put.rights);
              const placed = await place(put, path, replace, bring);
              await syncFolder(dirname(path));
              return placed ? "stored" : await compare(path, sha256, signal);
            } catch (error) {
              if (codeOf(error) !== "ENOENT" || attempt++ === TRIES) throw error;
            }
          }
        } finally {
          // Left after a link, and after a rename onto the same file, which does nothing (rename(2)).
          if (copy !== null) await rm(copy, { force: true });
        }
      }),

    async head(key) {
      const found = await lstat(pathOf(key)).catch(nullWhereMissing);
      if (found === null) return nothing();
      return found.isFile() ? { bytes: found.size } : null;
    },

    delete: (key, signal) =>
      inTurn(key, async () => {
        signal?.throwIfAborted();
        const path = pathOf(key);
        await checkPlace();
        if ((await unlink(path).catch(nullWhereMissing)) === null) await nothing();
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
      const handle = await openFile(key);
      if (handle === null) return null;
      // From the opened file, not its name: the tag belongs to the bytes that are sent.
      const stat = await handle.stat({ bigint: true });
      return {
        is: "file",
        bytes: Number(stat.size),
        modifiedAt: Number(stat.mtimeMs),
        tag: [stat.size, stat.mtimeNs, stat.ino].map((part) => part.toString(36)).join("-"),
        read: (start, end) => readRange(handle, start, end, slots),
        close: () => handle.close(),
      };
    },

    async read(key, signal) {
      const handle = await openFile(key);
      return handle && readWhole(handle, signal);
    },

    async file(key) {
      const path = pathOf(key);
      const found = await lstat(path).catch(nullWhereMissing);
      if (found === null) return nothing();
      return found.isFile() ? path : null;
    },

    async list(folder) {
      const path = pathOf(folder);
      const names = await readdir(path).catch(nullWhereMissing);
      if (names === null) return (await nothing()) ?? [];
      const found = names.filter(isKeyPart).map(async (name) => ({
        key: `${folder}/${name}`,
        stat: await lstat(join(path, name)).catch(nullWhereMissing),
      }));
      return (await Promise.all(found)).flatMap(({ key, stat }) =>
        stat?.isFile() ? [{ key, bytes: stat.size, modifiedAt: stat.mtimeMs }] : [],
      );
    },

    oddities: async () => [sharing.oddity()].filter((line) => line !== null),

    async close() {},
  };
}

/** A file on its way to a key. */
type Put = { file: string; key: string; pace: About["pace"] } & Shared;

async function isTaken(path: string): Promise<boolean> {
  return (await lstat(path).catch(nullWhereMissing)) !== null;
}

async function compare(path: string, sha256: string, signal: AbortSignal): Promise<Placed> {
  if (!(await lstat(path)).isFile()) return "exists-different";
  return (await sha256OfFile(path, signal)) === sha256 ? "exists-same" : "exists-different";
}
