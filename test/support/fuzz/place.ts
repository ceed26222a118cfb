import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";

/**
 * Where a fuzz run takes place: the data folder deep inside a folder of its own, so that `../../..` still ends in it, and
 * beside it everything that a process likes to write to. Nothing but the data folder may change.
 */
export type Place = {
  root: string;
  /** Where the config lies; `data` in it is the data folder. */
  dir: string;
  dataDir: string;
  /** A folder that hostile ids name. */
  outside: string;
  cwd: string;
  env: Record<string, string>;
  /** Everything but the data folder: one line each, with size, mode and time. */
  snapshot(): string[];
  /** What in the data folder is not the relay's. */
  strangers(): string[];
  remove(): void;
};

/** What the relay makes in its data folder (CONTRACT, "Config"), and what SQLite puts beside a database. */
const OWN =
  /^(?:relay\.db(?:-wal|-shm|-journal)?|relay\.lock(?:-journal)?|media|spool|reserve|relay\.reserve|relay\.run|admin-token|\.native)$/;

export function makePlace(): Place {
  const root = mkdtempSync(join(tmpdir(), "wochit-relay-fuzz-"));
  const dir = join(root, "a", "b", "c", "d", "e");
  const dataDir = join(dir, "data");
  const folders = {
    outside: join(root, "outside"),
    cwd: join(root, "cwd"),
    home: join(root, "home"),
    temp: join(root, "temp"),
  };
  for (const each of [dir, ...Object.values(folders)]) mkdirSync(each, { recursive: true });
  // Names that a path gone astray would meet.
  for (const name of ["evil", "relay.db", "video.mp4", "thumbnail.jpg"]) {
    for (const each of [dir, join(root, "a"), folders.outside, folders.cwd])
      writeFileSync(join(each, name), "as it was");
  }
  return {
    root,
    dir,
    dataDir,
    outside: folders.outside,
    cwd: folders.cwd,
    env: {
      HOME: folders.home,
      XDG_CACHE_HOME: join(folders.home, ".cache"),
      TMPDIR: folders.temp,
      // Deno keeps what it has compiled: not what is looked for here.
      DENO_DIR: join(dataDir, "..", "..", "deno"),
    },
    snapshot: () => walk(root, root, [dataDir, join(dir, "..", "deno")]),
    strangers: () => readdirSync(dataDir).filter((name) => !OWN.test(name)),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

function walk(folder: string, root: string, except: string[]): string[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      if (except.includes(path)) return [];
      const stat = lstatSync(path);
      const kind = stat.isDirectory()
        ? "folder"
        : stat.isSymbolicLink()
          ? `link to ${readlinkSync(path)}`
          : `${stat.size} bytes, ${stat.mtimeMs}`;
      const line = `${relative(root, path).split(sep).join("/")}: ${kind}, ${stat.mode.toString(8)}`;
      return stat.isDirectory() ? [line, ...walk(path, root, except)] : [line];
    });
}
