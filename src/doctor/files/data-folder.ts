import { stat } from "node:fs/promises";
import { codeOf } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import { databaseOf } from "../../store/backup.ts";
import { type Finding, failed, failureOf, inTime, ok, warning } from "../probe.ts";
import { type Account, formatMode, may, mayByList, ownerName, type Rights, readAccount } from "./permissions.ts";

/** The data folder, as far as several probes depend on it. */
export type DataFolder = {
  path: string;
  /** Null: it does not exist yet. */
  folder: (Rights & { isFolder: boolean }) | null;
  /** Null: it does not exist yet. */
  database: { path: string; bytes: number; bornAt: number } | null;
  /**
   * The owner of the folder, or of relay.db where root owns the folder, as root does before a chown. Null: there is no folder, or
   * this system has no owners.
   */
  account: Account | null;
};

/** Milliseconds. A disk that is gone (a dead NFS server) blocks every access without end. */
const TIMEOUT = 5_000;

/**
 * Reads the data folder once, for all probes, and judges it. `data` is null where it cannot be read in time: no other probe may
 * touch that disk then, least of all SQLite, which has no time limit.
 */
export async function readDataFolder(
  path: string,
  { clock, platform, user }: { clock: Clock; platform: string; user: number | null },
): Promise<{ data: DataFolder | null; finding: Finding }> {
  const read = async (): Promise<DataFolder> => {
    const folder = await statOrNull(path);
    const file = databaseOf(path);
    const database = folder && (await statOrNull(file));
    const owner = platform === "win32" ? null : folder?.uid === 0 && database ? database : folder;
    return {
      path,
      folder: folder && { uid: folder.uid, gid: folder.gid, mode: folder.mode, isFolder: folder.isDirectory() },
      database: database && { path: file, bytes: database.size, bornAt: database.birthtimeMs },
      account: owner && (await readAccount(owner)),
    };
  };
  try {
    const data = await inTime({ clock, ms: TIMEOUT }, read);
    return { data, finding: judgeDataFolder(data, user) };
  } catch (error) {
    const { detail, advice } = failureOf(error);
    return { data: null, finding: failed(`${path} cannot be looked at: ${detail}`, advice) };
  }
}

/** Bytes of a file; 0 where it is missing. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

async function statOrNull(path: string) {
  return stat(path).catch((error) => {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return null;
    throw error;
  });
}

export function judgeDataFolder({ path, folder, account, database }: DataFolder, user: number | null): Finding {
  if (folder === null) return warning(`${path} is not there yet: the relay makes it at its first start`);
  if (!folder.isFolder) return failed(`${path} is no folder`, "choose another dataDir");
  if (account === null) return ok(path);
  const { uid, name } = account;
  if (user !== null && user !== 0 && user !== uid) {
    return failed(`${path} is used by ${name}`, `run doctor as root, or as ${name}`);
  }
  if (folder.uid !== uid) {
    const owners = `${path} belongs to user ${folder.uid}, relay.db in it to ${name}`;
    const chown = `chown ${ownerName(account)} ${path}`;
    // As Kubernetes' fsGroup leaves a volume: root's, and its group's to write to.
    if (folder.uid === 0 && account.gid === folder.gid && mayByList(folder, "write")) {
      return ok(`${path}, root's; the relay runs as ${name}, whose group ${folder.gid} may write there`);
    }
    return may(account, "write", folder)
      ? warning(`${owners}: was the relay run as another user?`, `if ${name} is the relay's user: ${chown}`)
      : failed(`${owners}, who may write nothing there`, chown);
  }
  const mode = formatMode(folder.mode);
  if ((folder.mode & 0o077) !== 0) {
    return warning(`${path} has mode ${mode}: other users of this machine may look into it`, `chmod 700 ${path}`);
  }
  return ok(`${path}, ${database === null ? "belongs to" : "the relay runs as"} ${name}, mode ${mode}`);
}
