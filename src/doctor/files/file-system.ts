import { statfs } from "node:fs/promises";
import { type Finding, ok, warning } from "../probe.ts";

/** The types of statfs(2) that are no plain disk. */
const TYPES: Record<number, ["remote" | "memory", name: string]> = {
  26985: ["remote", "NFS"],
  20859: ["remote", "SMB"],
  4283649346: ["remote", "SMB"],
  4266872130: ["remote", "SMB"],
  12805120: ["remote", "Ceph"],
  1397113167: ["remote", "AFS"],
  16914839: ["remote", "9P"],
  198183888: ["remote", "Lustre"],
  1702057286: ["remote", "FUSE"],
  16914836: ["memory", "tmpfs"],
  2240043254: ["memory", "ramfs"],
};

/** Whether the data folder is on a disk that SQLite can rely on. */
export async function judgeFileSystem(dataDir: string): Promise<Finding> {
  const [kind, name] = TYPES[Number((await statfs(dataDir)).type) >>> 0] ?? ["disk", ""];
  const where = `${dataDir} is on ${name}`;
  if (kind === "remote") {
    const why = "SQLite's write-ahead log needs a local disk (sqlite.org/wal.html)";
    return warning(`${where}: ${why}`, "move dataDir to a disk of this machine");
  }
  if (kind !== "memory") return ok("a local disk");
  return warning(`${where}: all of it is lost when the machine restarts`, "move dataDir to a disk");
}
