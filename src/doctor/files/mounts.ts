import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Where systemd lists the processes of the packaged unit: with one tree of control groups, and with the older several. */
const UNIT = "system.slice/wochit-relay.service/cgroup.procs";
const LISTS = [`/sys/fs/cgroup/${UNIT}`, `/sys/fs/cgroup/systemd/${UNIT}`];

/** What a process sees mounted, as the kernel has it (proc_pid_mountinfo(5)). Paths without links in them. */
export type Mounts = { isReadOnly(path: string): boolean };

/** Of a process by its id, or of this one; null: it has ended, this user may not look, or this system has no such list. */
export async function readMounts(pid = "self", proc = "/proc"): Promise<Mounts | null> {
  const text = await readFile(join(proc, pid, "mountinfo"), "utf8").catch(() => "");
  return text === "" ? null : parseMounts(text);
}

/**
 * The sandbox of the relay that runs under systemd (ProtectSystem=, ReadWritePaths=: systemd.exec(5)): what is mounted
 * there. Null: none runs so, or this user may not look.
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
      at: decodeOctal(at!),
      // Of this mount, and of the disk.
      isReadOnly: [options!, rest.at(-1) ?? ""].some((list) => list.split(",").includes("ro")),
    }));
  return {
    isReadOnly(path) {
      const holding = mounts.filter(({ at }) => path === at || path.startsWith(at === "/" ? at : `${at}/`));
      // Of those at one place the last one is on top.
      const top = holding.reduce<(typeof mounts)[number] | null>(
        (best, one) => (best === null || one.at.length >= best.at.length ? one : best),
        null,
      );
      return top?.isReadOnly ?? false;
    },
  };
}

/** Spaces and the like are written as "\040". */
function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
}
