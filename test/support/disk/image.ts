import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Random } from "../../../src/ports.ts";
import type { Step } from "./journal.ts";

/** Disks write sectors whole (512 bytes): a write that is cut off ends at one. */
const SECTOR = 512;

/**
 * What of the steps since the last sync a power cut may leave: only what was synced ("strict"); that, and every name; or any part
 * of the rest, in any order, writes cut at a sector ("torn").
 */
export type Leaves = "strict" | "names" | "torn";

type Pending = { is: "write"; at: number; bytes: Buffer } | { is: "truncate"; length: number };
type Inode = { durable: Buffer; length: number; pending: Pending[] };
type NameStep = {
  step: Extract<Step, { is: "create" | "rename" | "link" | "unlink" | "mkdir" | "rmdir" }>;
  file: number;
  isDurable: boolean;
};

/** A disk as the steps so far have made it: what is on it for certain, and what only the kernel has. */
export type Disk = {
  apply(step: Step): void;
  /** Writes what a power cut now leaves into `dir`, in place of `root`. */
  writeImage(dir: string, leaves: Leaves, random: Random): void;
};

export function openDisk(root: string): Disk {
  const inodes = new Map<number, Inode>();
  const names: NameStep[] = [];
  /** The names as the process sees them. */
  const live = new Map<string, number>();

  function inode(file: number): Inode {
    const found = inodes.get(file) ?? { durable: Buffer.alloc(0), length: 0, pending: [] };
    inodes.set(file, found);
    return found;
  }

  function name(step: NameStep["step"], file = 0): void {
    names.push({ step, file, isDurable: false });
  }

  /** Which folder must be synced for a step on names to last. */
  function folderOf({ step }: NameStep): string {
    return dirname(step.is === "rename" || step.is === "link" ? step.to : step.path);
  }

  return {
    apply(step) {
      switch (step.is) {
        case "create":
          // A number is given again when its file is gone.
          inodes.set(step.file, { durable: Buffer.alloc(0), length: 0, pending: [] });
          live.set(step.path, step.file);
          return name(step, step.file);
        case "write":
        case "truncate":
          return void inode(step.file).pending.push(step);
        case "sync": {
          const found = inode(step.file);
          for (const pending of found.pending) put(found, pending);
          found.pending = [];
          return;
        }
        case "failed sync": {
          // What could not be written is clean from now on, and nobody tries again (lwn.net/Articles/752063).
          const found = inode(step.file);
          found.pending = found.pending.filter(({ is }) => is === "truncate");
          return;
        }
        case "sync folder":
          for (const each of names) if (folderOf(each) === step.path) each.isDurable = true;
          return;
        case "rename":
        case "link": {
          const file = live.get(step.from);
          if (file === undefined) return;
          if (step.is === "rename") live.delete(step.from);
          live.set(step.to, file);
          return name(step, file);
        }
        case "unlink":
          live.delete(step.path);
          return name(step);
        case "mkdir":
        case "rmdir":
          return name(step);
        case "answer":
          return;
      }
    },

    writeImage(dir, leaves, random) {
      rmSync(dir, { recursive: true, force: true });
      mkdirSync(dir, { recursive: true });
      const lastDurable = names.findLastIndex(({ isDurable }) => isDurable);
      // A file system keeps the order of its names: what follows the last that lasts is there up to some point.
      const until =
        leaves === "names"
          ? names.length
          : leaves === "torn"
            ? lastDurable + 1 + Math.floor(random.float() * (names.length - lastDurable))
            : 0;
      const kept = names.filter(({ isDurable }, at) => isDurable || at < until);
      const { folders, files } = namesAfter(kept, root);
      const place = (path: string) => join(dir, path.slice(root.length));
      for (const folder of [...folders].sort()) mkdirSync(place(folder), { recursive: true, mode: 0o700 });
      for (const [path, file] of files) {
        const found = inodes.get(file);
        if (found === undefined) continue;
        mkdirSync(dirname(place(path)), { recursive: true, mode: 0o700 });
        writeFileSync(place(path), leaves === "torn" ? tear(found, random) : contentOf(found), { mode: 0o600 });
      }
    },
  };
}

function namesAfter(kept: NameStep[], root: string): { folders: Set<string>; files: Map<string, number> } {
  const folders = new Set([root]);
  const files = new Map<string, number>();
  for (const { step, file } of kept) {
    if (step.is === "create") files.set(step.path, file);
    else if (step.is === "link") files.set(step.to, file);
    else if (step.is === "rename") {
      files.delete(step.from);
      files.set(step.to, file);
    } else if (step.is === "unlink") files.delete(step.path);
    else if (step.is === "mkdir") folders.add(step.path);
    else folders.delete(step.path);
  }
  return { folders, files };
}

/** Makes a change to a file's bytes. They grow by doubling: a log is written a page at a time. */
function put(inode: Pick<Inode, "durable" | "length">, change: Pending): void {
  const end = change.is === "write" ? change.at + change.bytes.length : change.length;
  if (end > inode.durable.length) {
    const grown = Buffer.alloc(Math.max(end, 2 * inode.durable.length));
    inode.durable.copy(grown, 0, 0, inode.length);
    inode.durable = grown;
  }
  if (change.is === "write") {
    change.bytes.copy(inode.durable, change.at);
    inode.length = Math.max(inode.length, end);
  } else {
    if (end < inode.length) inode.durable.fill(0, end, inode.length);
    inode.length = end;
  }
}

function contentOf({ durable, length }: Pick<Inode, "durable" | "length">): Buffer {
  return durable.subarray(0, length);
}

/** Some of what was not synced is there, some is not, and some in part. */
function tear({ durable, length, pending }: Inode, random: Random): Buffer {
  const torn = { durable: Buffer.from(durable.subarray(0, length)), length };
  for (const change of pending) {
    const dice = random.float();
    if (change.is === "truncate") {
      if (dice < 0.5) put(torn, change);
    } else if (dice < 0.4) put(torn, change);
    else if (dice < 0.6) {
      const sectors = Math.floor(random.float() * (Math.floor(change.bytes.length / SECTOR) + 1));
      put(torn, { ...change, bytes: change.bytes.subarray(0, sectors * SECTOR) });
    }
  }
  return contentOf(torn);
}
