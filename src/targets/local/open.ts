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
import { dirname, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { codeOf, RelayError } from "../../errors.ts";
import { makeFolder, nullWhereMissing, syncFile, syncFolder } from "../../platform/files/file-system.ts";
import { sha256OfFile } from "../../platform/files/sha256.ts";
import { createTurns } from "../../platform/keyed-mutex.ts";
import type { Log } from "../../ports.ts";
import { type Access, type MirrorTarget, type Placed, SpoolChanged } from "../target.ts";

import { createSharing, type FolderRights, type Shared } from "./folder-rights.ts";
import { createSlots, readRange, readWhole } from "./read-range.ts";

/** The parts of a key: what `keyOf` makes, and nothing that a file system could take for anything but a name. */
const KEY_PART = /^[\w~-][\w.~-]{0,254}$/;

/** Where files are until they get their name, when that takes more than a link; no key begins with a dot. */
const INCOMING = ".incoming";

/** Errors by which link(2) says that a file has to be copied: no hard links here, no more for this file, another file system. */
const NO_LINKS = new Set(["EXDEV", "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EACCES", "EINVAL"]);

/**
 * Pieces of copies that are read for readers at once. What is read is written to the reader in the same turn of the event loop,
 * and one connection is accepted a turn: with hundreds of readers at work, turns must stay short.
 */
const READS = 4;

/** No link is followed, and no pipe in place of a copy is waited for. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** How often a folder that a delete has just removed is made again. */
const TRIES = 3;

/**
 * Copies in a directory, which is created where it is missing and this relay's own. Names appear by link(2) or
 * rename(2), so that a reader never sees half a file, and only after file and folders are on the disk. A file on the same
 * file system is linked, not copied. Symbolic links inside the directory are not followed by writes, and the directory
 * itself may be one only when it is opened. Copies may be read by whom the directory lets read, backups by the relay alone.
 * Throws the system's errors; RelayError("target_unavailable") where the directory is gone, or leads elsewhere by now.
 * `hardLink` is link(2), for tests that do without it.
 */
export async function openLocalTarget(
  { dir }: { type: "local"; dir: string },
  options: { access?: Access; log?: Pick<Log, "warn">; hardLink?: typeof link } = {},
): Promise<MirrorTarget> {
  const { access: kind = "own", log, hardLink = link } = options;
  if (kind === "own") await mkdir(dir, { recursive: true, mode: 0o700 });
  const root = await realpath(dir).catch(nullWhereMissing);
  if (root === null) {
    const when = kind === "former" ? "were kept before" : "are kept";
    throw new RelayError("target_unavailable", `${dir}, where copies ${when}, is gone; bring it back`);
  }
  // What a crash left on its way: the one relay of this directory begins now, so nobody is writing there.
  if (kind === "own") await rm(join(root, INCOMING), { recursive: true, force: true });
  const inTurn = createTurns();
  const sharing = createSharing(root, log);

  /** Throws where the directory is gone, or a symbolic link stands in its place, or above it, by now. */
  async function checkPlace(): Promise<void> {
    const now = await realpath(root!).catch(nullWhereMissing);
    if (now === root) return;
    if (now === null) throw gone();
    const line = `${root}, where copies are kept, leads to ${now} by a symbolic link now`;
    throw new RelayError("target_unavailable", `${line}: bring it back, or restart the relay to use that one`);
  }

  const gone = () => new RelayError("target_unavailable", `${root}, where copies are kept, is gone; bring it back`);
  const slots = createSlots(READS);

  function pathOf(key: string): string {
    const parts = key.split("/");
    const path = join(root!, ...parts);
    if (parts.every((part) => KEY_PART.test(part)) && path.startsWith(root + sep)) return path;
    throw new RelayError("internal", `${JSON.stringify(key)} is no key of a mirrored file`);
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
    // Only now: a folder whose rights were changed may pass its group on no longer.
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
   * The file once more, or else a copy of it, on the target's file system. Its name depends on what it is, so that a crash
   * leaves at most one behind.
   */
  async function bringOver(
    { file, key, rights, isPrivate, mayLink }: Put,
    sha256: string,
    signal: AbortSignal,
  ): Promise<string> {
    const folder = join(root!, INCOMING);
    await makeFolder(folder);
    const copy = join(folder, createHash("sha256").update(`${key} ${sha256}`).digest("hex").slice(0, 32));
    // Never written over: after a crash it may be the very file that got the key's name by a link.
    await rm(copy, { force: true });
    if (mayLink && (await tryLink(file, copy)) === "linked") return copy;
    const read = createReadStream(file, { highWaterMark: 2 ** 20 });
    const mode = isPrivate ? 0o600 : 0o640;
    const write = createWriteStream(copy, { highWaterMark: 2 ** 20, flags: "wx", mode, flush: true });
    await pipeline(read, write, { signal }).catch(async (error) => {
      await rm(copy, { force: true });
      throw error;
    });
    if (rights !== null) await sharing.give(copy, rights);
    return copy;
  }

  /** Gives the file its name. False: there is something of that name already, and it was not to be replaced. */
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
      // Without hard links look first: puts of one key take turns, and one relay owns the directory.
      if (await isTaken(path)) return false;
    }
    await rename(copy, path);
    return true;
  }

  /** A key that holds nothing; throws where the whole directory is gone, of which nothing can be said. */
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
    put: (key, file, { sha256, replace, again, isPrivate = false }, signal) =>
      inTurn(key, async () => {
        const path = pathOf(key);
        signal.throwIfAborted();
        if (again && (await sha256OfFile(file, signal)) !== sha256) {
          throw new SpoolChanged(`${file} is not what was downloaded: its sha256 is another one`);
        }
        await checkPlace();
        const put = { file, key, ...(await sharing.prepare(file, isPrivate)) };
        await syncFile(file);
        let copy: string | null = null;
        const bring = async () => {
          copy ??= await bringOver(put, sha256, signal);
          return copy;
        };
        try {
          for (let attempt = 1; ; ) {
            signal.throwIfAborted();
            await makeFolders(key, put.rights);
            try {
              const placed = await place(put, path, replace, bring);
              await syncFolder(dirname(path));
              return placed ? "stored" : await compare(path, sha256, signal);
            } catch (error) {
              if (codeOf(error) !== "ENOENT" || attempt++ === TRIES) throw error;
            }
          }
        } finally {
          // Still there after a link, and after a rename to a name of the very same file, which does nothing (rename(2)).
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
      // Of the opened file, not of its name: the tag always speaks of the bytes that are sent.
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

    async list(folder) {
      const path = pathOf(folder);
      const names = await readdir(path).catch(nullWhereMissing);
      if (names === null) return (await nothing()) ?? [];
      const found = names
        .filter((name) => KEY_PART.test(name))
        .map(async (name) => ({
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
type Put = { file: string; key: string } & Shared;

async function isTaken(path: string): Promise<boolean> {
  return (await lstat(path).catch(nullWhereMissing)) !== null;
}

async function compare(path: string, sha256: string, signal: AbortSignal): Promise<Placed> {
  if (!(await lstat(path)).isFile()) return "exists-different";
  return (await sha256OfFile(path, signal)) === sha256 ? "exists-same" : "exists-different";
}
