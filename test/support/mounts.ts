import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import process from "node:process";
import { tempFolder } from "./folder.ts";

/** A file system of its own, in memory. */
export type SmallDisk = {
  dir: string;
  /** Makes it larger. Bytes. */
  grow(bytes: number): void;
  readOnly(is: boolean): void;
  unmount(): void;
};

/** Why no file system can be mounted here, for `skip`; false: it can. */
export const noMounts: string | false = whyNot();

function whyNot(): string | false {
  if (process.platform !== "linux") return "small disks are made with Linux's tmpfs";
  const dir = tempFolder({ after: (clean) => process.once("exit", clean as () => void) });
  const failure = mount(["-t", "tmpfs", "-o", "size=1M", "tmpfs", dir]);
  if (failure !== null) return `a tmpfs cannot be mounted here, which takes root's rights (${failure})`;
  spawnSync("umount", ["--lazy", dir]);
  return false;
}

/** Mounts a disk of so many bytes at this folder, which is made where it is missing. */
export function mountSmallDisk(dir: string, bytes: number): SmallDisk {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  must(["-t", "tmpfs", "-o", `size=${bytes},mode=0700`, "tmpfs", dir]);
  let mounted = true;
  return {
    dir,
    grow: (size) => must(["-o", `remount,size=${size}`, dir]),
    // Of what is open for writing nothing must be open: the kernel refuses to make a busy disk read-only.
    readOnly: (is) => must(["-o", `remount,${is ? "ro" : "rw"}`, dir]),
    unmount() {
      if (mounted) spawnSync("umount", ["--lazy", dir]);
      mounted = false;
    },
  };
}

/** Mounts a folder at another place as well, which is made where it is missing. The returned function ends that. */
export function bindMount(from: string, to: string): () => void {
  mkdirSync(to, { recursive: true });
  must(["--bind", from, to]);
  return () => void spawnSync("umount", ["--lazy", to]);
}

function must(args: string[]): void {
  const failure = mount(args);
  if (failure !== null) throw new Error(`mount ${args.join(" ")}: ${failure}`);
}

function mount(args: string[]): string | null {
  const { status, stderr, error } = spawnSync("mount", args, { encoding: "utf8" });
  return status === 0 ? null : String(error?.message ?? stderr).trim();
}
