import { lstat, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../../errors.ts";

/** Where systemd lists the processes of the packaged unit: with one hierarchy of control groups, and with several. */
const UNIT = "system.slice/wochit-relay.service/cgroup.procs";
const LISTS = [`/sys/fs/cgroup/${UNIT}`, `/sys/fs/cgroup/systemd/${UNIT}`];

/**
 * Whether a folder is mounted read-only: the kernel is asked to remove what is not there, and refuses that first (EROFS). On
 * Deno access(2) is answered by the mode alone.
 */
export async function isReadOnly(folder: string): Promise<boolean> {
  return (await refusalOf(rmdir(join(folder, ".doctor-none")))) === "EROFS";
}

/**
 * The same for the relay that runs under systemd, in its sandbox (ProtectSystem=, ReadWritePaths=: systemd.exec(5)), seen
 * through the root of its process (proc_pid_root(5)); a folder that is hidden there counts as read-only. Paths are without
 * symbolic links. Null: none runs so. False where this user may not look.
 */
export async function findSandbox(lists = LISTS): Promise<typeof isReadOnly | null> {
  for (const list of lists) {
    const [pid] = (await readFile(list, "utf8").catch(() => "")).split("\n");
    if (!pid) continue;
    return async (folder) => {
      const seen = join("/proc", pid, "root", folder);
      return (await refusalOf(lstat(seen))) === "ENOENT" || isReadOnly(seen);
    };
  }
  return null;
}

function refusalOf(work: Promise<unknown>): Promise<string | null> {
  return work.then(() => null, codeOf);
}
