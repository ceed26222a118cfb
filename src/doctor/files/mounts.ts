import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Where systemd lists the processes of the packaged unit: with one hierarchy of control groups, and with several. */
const UNIT = "system.slice/wochit-relay.service/cgroup.procs";
const LISTS = [`/sys/fs/cgroup/${UNIT}`, `/sys/fs/cgroup/systemd/${UNIT}`];

/** What is mounted for a process (proc_pid_mountinfo(5)). Paths are without symbolic links. */
export type Mounts = { isReadOnly(path: string): boolean };

/** By the id of a process; null: it has ended, this user may not read its mounts, or this system has no such list. */
export async function readMounts(pid = "self", proc = "/proc"): Promise<Mounts | null> {
  const text = await readFile(join(proc, pid, "mountinfo"), "utf8").catch(() => "");
  return text === "" ? null : parseMounts(text);
}

/**
 * The mounts of the relay that runs under systemd, in its sandbox (ProtectSystem=, ReadWritePaths=: systemd.exec(5)). Null: none
 * runs so, or this user may not read them.
 */
export async function readSandbox(files = { lists: LISTS, proc: "/proc" }): Promise<Mounts | null> {
  for (const list of files.lists) {
    const [pid] = (await readFile(list, "utf8").catch(() => "")).split("\n");
    const mounts = pid ? await readMounts(pid, files.proc) : null;
    if (mounts !== null) return mounts;
  }
  return null;
}

function parseMounts(text: string): Mounts {
  const mounts = text
    .split("\n")
    .map((line) => line.split(" "))
    .filter((fields) => fields.length > 5)
    .map(([, , , , at, options, ...rest]) => ({
      // Spaces and the like are written as "\040".
      at: at!.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
      // Options of the mount, and of the disk.
      isReadOnly: [options!, rest.at(-1) ?? ""].some((list) => list.split(",").includes("ro")),
    }))
    // The deepest mount counts, and the last one of those at one place: a sort keeps their order.
    .toSorted((one, other) => one.at.length - other.at.length);
  return {
    isReadOnly(path) {
      const top = mounts.findLast(({ at }) => path === at || path.startsWith(at === "/" ? at : `${at}/`));
      return top?.isReadOnly ?? false;
    },
  };
}
