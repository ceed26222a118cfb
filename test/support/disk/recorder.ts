import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "../../../scripts/root.ts";
import { sha256Of } from "../bytes.ts";

// The library beside this file, recorder.c, built for this machine, and the numbers that it shares with who makes faults.

const SOURCE = join(import.meta.dirname, "recorder.c");

/** In the order of `enum fault`. */
const FIELDS = ["syncDelayUs", "syncsToPass", "syncsToFail", "changeErrno", "failed", "readErrno"] as const;

/** `syncsToFail` syncs fail with EIO after `syncsToPass` more; with `changeErrno` every change fails, with
 * `readErrno` every read; `failed` counts. */
export type Faults = {
  set(field: (typeof FIELDS)[number], value: number): void;
  get(field: (typeof FIELDS)[number]): number;
  close(): void;
};

/** Errors of a disk, by their numbers on Linux. */
export const ERRNO = { EIO: 5, EROFS: 30, EMFILE: 24 };

let library: string | undefined;

/** Built once for each state of its source. */
function build(): string {
  if (library !== undefined) return library;
  const folder = join(ROOT, "node_modules", ".cache", "recorder");
  const path = join(folder, `${sha256Of(readFileSync(SOURCE))}-${process.arch}.so`);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    const made = `${path}.${process.pid}`;
    const args = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", made, SOURCE, "-ldl", "-lpthread"];
    const { status, stderr, error } = spawnSync("gcc", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(String(error?.message ?? stderr).trim());
    renameSync(made, path);
  }
  library = path;
  return path;
}

/** Why the library cannot be had here, for `skip`; false: it can. */
export const noRecorder: string | false = whyNot();

function whyNot(): string | false {
  if (process.platform !== "linux") return "disks are recorded by a library for Linux";
  try {
    build();
    return false;
  } catch (error) {
    return `recorder.c cannot be built here: ${(error as Error).message}`;
  }
}

/**
 * The environment of a process whose files below `root` are watched, and its faults. With `journal` all that happens to them
 * is written there, and no sync reaches a real disk.
 */
export function recordDisk(options: { root: string; journal?: string; faultsFile: string }): {
  env: Record<string, string>;
  faults: Faults;
} {
  const file = openSync(options.faultsFile, "w+");
  ftruncateSync(file, 4096);
  const number = Buffer.alloc(8);
  return {
    env: {
      LD_PRELOAD: build(),
      DISK_ROOT: options.root,
      DISK_FAULTS: options.faultsFile,
      ...(options.journal !== undefined && { DISK_JOURNAL: options.journal }),
    },
    faults: {
      set(field, value) {
        number.writeBigInt64LE(BigInt(value));
        writeSync(file, number, 0, 8, 8 * FIELDS.indexOf(field));
      },
      get(field) {
        readSync(file, number, 0, 8, 8 * FIELDS.indexOf(field));
        return Number(number.readBigInt64LE());
      },
      close: () => closeSync(file),
    },
  };
}
