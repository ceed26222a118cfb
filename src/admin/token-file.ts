import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tokenFileOf } from "../config/secrets.ts";
import { codeOf, RelayError } from "../errors.ts";
import { syncFolderSync } from "../platform/files/file-system.ts";
import type { Random } from "../ports.ts";

/** The token of a relay whose config names none. `wasOpen`: others could read its file, or change it, until now. */
export type TokenFile = { path: string; token: string; isNew: boolean; wasOpen: boolean };

/** Bytes of a token: as many as a key has. */
const BYTES = 32;

/** Windows has no such flag (nodejs.org/api/fs.html#file-open-constants). */
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;

/**
 * The token in the data folder, which is made where there is none: a file of the folder's owner, for the owner only. No link
 * is followed. RelayError("conflict") where a link, or something that is no file, has its name; else the system's error.
 */
export function readOrMakeToken(dataDir: string, random: Pick<Random, "bytes">): TokenFile {
  const path = tokenFileOf(dataDir);
  const found = read(path);
  if (found !== null) return { path, ...found, isNew: false };
  const token = Buffer.from(random.bytes(BYTES)).toString("base64url");
  write(dataDir, path, token, Buffer.from(random.bytes(4)).toString("hex"));
  return { path, token, isNew: true, wasOpen: false };
}

/** Puts another token into the file. Throws as `readOrMakeToken` does. */
export function replaceToken(dataDir: string, token: string, random: Pick<Random, "bytes">): void {
  write(dataDir, tokenFileOf(dataDir), token, Buffer.from(random.bytes(4)).toString("hex"));
}

/** Null: there is none, or an empty one. */
function read(path: string): { token: string; wasOpen: boolean } | null {
  let handle: number;
  try {
    handle = openSync(path, constants.O_RDONLY | NO_FOLLOW | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    if (codeOf(error) === "ELOOP") throw refused(path, "a link");
    throw error;
  }
  try {
    const found = fstatSync(handle);
    if (!found.isFile()) throw refused(path, "no file");
    if (found.nlink > 1) throw refused(path, "a link");
    if ((found.mode & 0o077) !== 0) fchmodSync(handle, 0o600);
    const token = readFileSync(handle, "utf8").trim();
    return token === "" ? null : { token, wasOpen: (found.mode & 0o066) !== 0 };
  } finally {
    closeSync(handle);
  }
}

function refused(path: string, what: string): RelayError {
  return new RelayError("conflict", `${path} is ${what}: nothing is done with it; see who put it there, and remove it`);
}

/** It gets its name once it is whole: a crash leaves no empty token. */
function write(dataDir: string, path: string, token: string, mark: string): void {
  const part = `${path}.${mark}`;
  // It follows no link (open(2), O_EXCL).
  const handle = openSync(part, "wx", 0o600);
  try {
    try {
      fchmodSync(handle, 0o600);
      const { uid, gid } = statSync(dataDir);
      if (fstatSync(handle).uid !== uid) fchownSync(handle, uid, gid);
      writeFileSync(handle, `${token}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
  syncFolderSync(dataDir);
}
