import { lstat, readdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { errorLine } from "../../errors.ts";
import { nullWhereMissing } from "../../platform/files/file-system.ts";
import { COMPANIONS } from "../../store/backup.ts";
import { AS_SOMEBODY_ELSE, type Finding, failed, ok, type Probe, warning } from "../probe.ts";
import { may, ownerName, tellMode } from "./accounts.ts";
import type { Place } from "./place.ts";

const PATIENCE = 10_000;

/** So many files of one folder are looked at; a spool or a media folder may hold millions. */
const MOST_FILES = 5_000;

/** So many are named for chown(1) to take. */
const MOST_NAMED = 10;

/** statfs(2): file systems that keep their files elsewhere, and those that keep them nowhere. */
const REMOTE: Record<number, string> = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "SMB",
  4266872130: "SMB",
  12805120: "Ceph",
  1397113167: "AFS",
  16914839: "9P",
  198183888: "Lustre",
  1702057286: "FUSE",
};
const IN_MEMORY: Record<number, string> = { 16914836: "tmpfs", 2240043254: "ramfs" };

type Given = {
  place: () => Promise<Place>;
  platform: string;
  user: number | null;
  /** The local target; null: there is none. */
  mediaDir: string | null;
};

/** Who may use the data folder, what the relay cannot use in it, and what kind of disk it is on. */
export function folderProbes({ place, platform, user, mediaDir }: Given): Probe[] {
  const probe = (name: string, look: (place: Place) => Promise<Finding | Finding[]>): Probe => ({
    name: `data.${name}`,
    patience: PATIENCE,
    async run() {
      const found = await place();
      return found.folder === null ? [] : look(found);
    },
  });
  return [
    {
      name: "data.folder",
      patience: PATIENCE,
      run: () =>
        place().then(
          (found) => judgeFolder(found, user),
          (error) => failed(errorLine(error), /EACCES/.test(errorLine(error)) ? AS_SOMEBODY_ELSE : null),
        ),
    },
    probe("files", (found) => judgeFiles(found, mediaDir)),
    probe("disk", async ({ dataDir }) => (platform === "linux" ? judgeKind(dataDir) : [])),
  ];
}

function judgeFolder({ dataDir, folder, account, database }: Place, user: number | null): Finding {
  if (folder === null) return warning(`${dataDir} is not there yet: the relay makes it at its first start`);
  if (!folder.isFolder) return failed(`${dataDir} is no folder`, "choose another dataDir");
  if (account === null) return ok(dataDir);
  const { uid } = account;
  if (user !== null && user !== 0 && user !== uid) {
    return failed(`${dataDir} is used by ${account.name}`, `run doctor as root, or as ${account.name}`);
  }
  if (folder.uid !== uid && !may(account, "write", folder)) {
    return failed(
      `${dataDir} belongs to user ${folder.uid}, relay.db in it to ${account.name}, who may write nothing there`,
      `chown ${ownerName(account)} ${dataDir}`,
    );
  }
  if (folder.uid !== uid) {
    return warning(
      `${dataDir} belongs to user ${folder.uid}, relay.db in it to ${account.name}: was the relay run as somebody else?`,
      `if ${account.name} is the relay's user: chown ${ownerName(account)} ${dataDir}`,
    );
  }
  if ((folder.mode & 0o077) !== 0) {
    return warning(
      `${dataDir} has mode ${tellMode(folder.mode)}: others on this machine may look into it`,
      `chmod 700 ${dataDir}`,
    );
  }
  const whose = database === null ? `belongs to ${account.name}` : `the relay runs as ${account.name}`;
  return ok(`${dataDir}, ${whose}, mode ${tellMode(folder.mode)}`);
}

/** What the relay has in its folders; others may keep things there too, like the `lost+found` of a disk. */
const DATABASE = ["relay.db", ...COMPANIONS.map((end) => `relay.db${end}`)];
const OWN = [...DATABASE, "relay.lock", "reserve", "spool"];
const SPOOLED = /\.(part|part\.json|best|unpacked|file)$/;
/** A part of a key (mirror/local.ts), or what is on its way to one. */
const COPIES = /^[\w~-][\w.~-]*$|^\.incoming$/;

/** `to`: what the relay does with it. A copy is only read, and removed by whoever may write to its folder. */
type Own = { path: string; to: "change" | "read" | "keep" };

/** What root, or anybody else, has left behind there: a restart may find out that the relay cannot use it. */
async function judgeFiles({ dataDir, account }: Place, mediaDir: string | null): Promise<Finding | Finding[]> {
  if (account === null) return [];
  const wrong: string[] = [];
  let count = 0;
  async function look({ path, to }: Own): Promise<void> {
    const file = await lstat(path).catch(nullWhereMissing);
    if (file === null) return;
    count++;
    const isRead = to === "read" || (to === "keep" && file.isFile());
    if (file.isSymbolicLink() || (may(account!, "read", file) && (isRead || may(account!, "write", file)))) return;
    wrong.push(path);
    // Whoever made this folder may have made what is in it.
    if (to === "keep" && file.isDirectory()) for (const inner of await list(path, COPIES, to)) await look(inner);
  }
  for (const name of OWN) await look({ path: join(dataDir, name), to: "change" });
  await look({ path: join(dataDir, ".native"), to: "read" });
  for (const one of await list(join(dataDir, "spool"), SPOOLED, "change")) await look(one);
  if (mediaDir !== null) for (const one of await list(mediaDir, COPIES, "keep")) await look(one);
  if (wrong.length === 0) return ok(`${count} files and folders, all of them usable for ${account.name}`);
  const more = wrong.length > 3 ? ` and ${wrong.length - 3} more` : "";
  const rest = wrong.length > MOST_NAMED ? ", then run doctor again for the others" : "";
  return failed(
    `${wrong.slice(0, 3).join(", ")}${more}: the relay's user ${account.name} cannot use ${wrong.length === 1 ? "it" : "them"}`,
    `chown ${ownerName(account)} ${wrong.slice(0, MOST_NAMED).join(" ")}${rest}`,
  );
}

async function list(folder: string, names: RegExp, to: Own["to"]): Promise<Own[]> {
  const found = (await readdir(folder).catch(noneWhereMissing)).filter((name) => names.test(name));
  return found.slice(0, MOST_FILES).map((name) => ({ path: join(folder, name), to }));
}

function noneWhereMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
  throw error;
}

async function judgeKind(dataDir: string): Promise<Finding> {
  const type = Number((await statfs(dataDir)).type) >>> 0;
  const [remote, inMemory] = [REMOTE[type], IN_MEMORY[type]];
  if (remote !== undefined) {
    return warning(
      `${dataDir} is on ${remote}: SQLite's write-ahead log needs a local disk (sqlite.org/wal.html)`,
      "move dataDir to a disk of this machine",
    );
  }
  if (inMemory !== undefined) {
    return warning(
      `${dataDir} is on ${inMemory}: all of it is gone with the machine's power`,
      "move dataDir to a disk",
    );
  }
  return ok("a local disk");
}
