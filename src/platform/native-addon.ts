import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import process from "node:process";
import { errorLine, RelayError } from "../errors.ts";
import type { PackedAddon } from "./packed.ts";
import { environment, systemClock } from "./runtime.ts";

/** Only the owner may write to a library that is loaded. */
const OTHERS_WRITE = 0o022;

/** Files of other versions, and those of a killed start, are removed at this age, in milliseconds. */
const STALE = 86_400_000;

const NOT_OURS = "it belongs to another user";

/** The owner of this file is the user of the relay whose data folder it is in. */
const DATABASE = "relay.db";

const NAME = /^sqlite-[0-9a-f]{16}\.node(\.[0-9a-f]+)?$/;

/** A folder that may hold the addon. `around`: paths whose owner decides whether this user may write there. */
type Place = { dir: string; around: string[]; makesParent?: true };

let loaded: object | null = null;

/**
 * SQLite's native addon, out of the packed program. The system loads a library from a file only, so it is unpacked once into
 * a private folder: the first of $WOCHIT_RELAY_NATIVE_DIR, `<dataDir>/.native`, systemd's $CACHE_DIRECTORY, the user's cache
 * and the temporary folder that is writable and not mounted noexec. RelayError("unsupported") names all when none is.
 */
export function loadAddon(addon: PackedAddon, dataDir?: string): object {
  if (loaded !== null) return loaded;
  const refused: string[] = [];
  for (const place of placesFor(dataDir)) {
    try {
      loaded = loadFrom(place, addon);
      return loaded;
    } catch (error) {
      refused.push(`${place.dir} (${reason(error)})`);
    }
  }
  throw new RelayError(
    "unsupported",
    `SQLite's library cannot be unpacked in any of ${refused.join(", ")}; set WOCHIT_RELAY_NATIVE_DIR to a folder that this user owns, can write to, and that is not mounted noexec`,
  );
}

function placesFor(dataDir: string | undefined): Place[] {
  const { env, platform } = environment();
  const places: Place[] = [];
  const add = (base: string | undefined, name: string, more: Partial<Place> = {}) => {
    if (base && isAbsolute(base)) places.push({ dir: join(base, name), around: [base], ...more });
  };
  if (env.WOCHIT_RELAY_NATIVE_DIR) places.push({ dir: resolve(env.WOCHIT_RELAY_NATIVE_DIR), around: [] });
  if (dataDir !== undefined) add(dataDir, ".native", { around: [dataDir, join(dataDir, DATABASE)] });
  add(env.CACHE_DIRECTORY?.split(":")[0], "native");
  const home = homeFolder();
  const cache = env.XDG_CACHE_HOME;
  if (platform === "win32") add(env.LOCALAPPDATA, "wochit-relay");
  else if (cache) add(cache, "wochit-relay", { around: [dirname(cache), cache], makesParent: true });
  else add(home, platform === "darwin" ? "Library/Caches/wochit-relay" : ".cache/wochit-relay", { makesParent: true });
  const uid = process.getuid?.();
  add(tmpdir(), uid === undefined ? "wochit-relay" : `wochit-relay-${uid}`);
  return places;
}

/** Undefined for a user without an account. */
function homeFolder(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

function loadFrom(place: Place, addon: PackedAddon): object {
  refuseStrangers(place);
  makeFolder(place);
  const file = join(place.dir, `sqlite-${addon.sha256.slice(0, 16)}.node`);
  const found = openChecked(file, addon);
  if (found !== null) return open(found, file);
  write(file, addon);
  const written = openChecked(file, addon);
  if (written === null) throw new Error("the file read back differs from what was written");
  return open(written, file);
}

/**
 * Refuses the folders of other users for root, whose files they could not use, and the data folder of another user's relay
 * for any user.
 */
function refuseStrangers({ around }: Place): void {
  const uid = process.getuid?.();
  if (uid === undefined) return;
  for (const path of around) {
    const owner: number = statSync(path, { throwIfNoEntry: false })?.uid ?? uid;
    if (owner !== uid && (uid === 0 || basename(path) === DATABASE)) throw new Error(NOT_OURS);
  }
}

/** The folder itself must not be a link, and only its owner may write to it. */
function makeFolder({ dir, makesParent }: Place): void {
  if (makesParent) make(dirname(dir));
  make(dir);
  const found = lstatSync(dir);
  if (found.isSymbolicLink()) throw new Error("it is a symbolic link");
  if (!found.isDirectory()) throw new Error("it is no folder");
  checkOwner(found);
}

function make(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" && !existsSync(dir)) throw error;
  }
}

function checkOwner({ uid, mode }: { uid: number; mode: number }): void {
  const own = process.getuid?.();
  if (own === undefined) return; // On Windows the profile's folders are private.
  if (uid !== own && uid !== 0) throw new Error(NOT_OURS);
  if ((mode & OTHERS_WRITE) !== 0) throw new Error("others may write to it");
}

/** The open file when its owner and its bytes are right; null when it is missing or damaged. */
function openChecked(file: string, { sha256 }: PackedAddon): number | null {
  let fd: number;
  try {
    // Nonblocking: a pipe in its place counts as damaged.
    fd = openSync(file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ELOOP") return null; // A link is replaced.
    throw error;
  }
  try {
    checkOwner(fstatSync(fd));
    if (createHash("sha256").update(readFileSync(fd)).digest("hex") === sha256) return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return null;
}

/** Atomically: several processes may start at once. */
function write(file: string, addon: PackedAddon): void {
  const part = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(part, addon.unpack(), { flag: "wx", mode: 0o600 });
    renameSync(part, file);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
  sweep(dirname(file));
}

function sweep(dir: string): void {
  for (const name of readdirSync(dir).filter((name) => NAME.test(name))) {
    const path = join(dir, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found && systemClock().now() - found.mtimeMs > STALE) rmSync(path, { force: true });
  }
}

/**
 * Loads the file that was checked by its descriptor where the system can (proc(5), /proc/pid/fd): another file may have its
 * path by now.
 */
function open(fd: number, file: string): object {
  try {
    const module = { exports: {} };
    const own = `/proc/self/fd/${fd}`;
    process.dlopen(module, existsSync(own) ? own : file);
    return module.exports;
  } finally {
    closeSync(fd);
  }
}

/** Without the code, the call and the path that Node adds: the message names the folder. */
function reason(error: unknown): string {
  const line = errorLine(error).replace(/^[A-Z0-9]+: /, "");
  return line.replace(/^\/proc\/self\/fd\/\d+: /, "").replace(/, \w+ '.*$|, \w+$| \(ERR_\w+\)$/, "");
}
