import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import process from "node:process";
import { errorLine, RelayError } from "../errors.ts";
import type { PackedAddon } from "./packed.ts";
import { environment } from "./runtime.ts";

/** The unpacked file, which exists for some milliseconds. Windows removes none that is loaded: a later start does. */
const NAME = /^\.wochit-relay-[0-9a-f]{24}\.node$/;

let loaded: object | null = null;

/**
 * SQLite's native addon, out of the packed program. The system loads a library from a file only, so each start writes it to a
 * file of its own, loads that, and removes it: nothing is kept that another user could change before the next start. The
 * folder is the first of $WOCHIT_RELAY_NATIVE_DIR, the temporary folder, systemd's $CACHE_DIRECTORY, the user's cache and
 * `dataDir` that is writable and not mounted noexec. RelayError("unsupported") names all when none is.
 */
export function loadAddon(addon: PackedAddon, dataDir?: string): object {
  if (loaded !== null) return loaded;
  const refused: string[] = [];
  for (const dir of foldersFor(dataDir)) {
    try {
      loaded = loadFrom(dir, addon);
      return loaded;
    } catch (error) {
      refused.push(`${dir} (${reason(error)})`);
    }
  }
  throw new RelayError(
    "unsupported",
    `SQLite's library cannot be unpacked in any of ${refused.join(", ")}; set WOCHIT_RELAY_NATIVE_DIR to a folder that this user owns, can write to, and that is not mounted noexec`,
  );
}

function foldersFor(dataDir: string | undefined): string[] {
  const { WOCHIT_RELAY_NATIVE_DIR: wished, CACHE_DIRECTORY, XDG_CACHE_HOME, HOME } = environment().env;
  const cache = XDG_CACHE_HOME || (HOME && join(HOME, ".cache"));
  const all = [wished && resolve(wished), tmpdir(), CACHE_DIRECTORY?.split(":")[0], cache, dataDir];
  return all.filter((dir) => dir !== undefined && isAbsolute(dir)) as string[];
}

/** By its descriptor where the system can (proc(5), /proc/pid/fd): another file may have its path by now. */
function loadFrom(dir: string, addon: PackedAddon): object {
  if (process.getuid?.() === 0 && statSync(dir).uid !== 0) throw new Error("it belongs to another user");
  const file = join(dir, `.wochit-relay-${randomBytes(12).toString("hex")}.node`);
  const fd = openSync(file, "wx+", 0o600);
  const own = `/proc/self/fd/${fd}`;
  const path = existsSync(own) ? own : file;
  try {
    writeFileSync(fd, addon.unpack());
    // Windows loads no file that is open for writing.
    if (path === file) closeSync(fd);
    const module = { exports: {} };
    process.dlopen(module, path);
    return module.exports;
  } finally {
    if (path === own) closeSync(fd);
    remove(file);
    if (environment().platform === "win32") {
      for (const name of readdirSync(dir).filter((name) => NAME.test(name))) remove(join(dir, name));
    }
  }
}

function remove(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // It is loaded, on Windows.
  }
}

/** Without the code, the call and the path that Node adds: the message names the folder. */
function reason(error: unknown): string {
  const line = errorLine(error).replace(/^[A-Z0-9]+: /, "");
  return line.replace(/^\/\S+: /, "").replace(/, \w+ '.*$|, \w+$| \(ERR_\w+\)$/, "");
}
