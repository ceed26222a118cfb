import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../ports.ts";
import { AlreadySaid, inTime } from "../probe.ts";
import { type Account, readAccount } from "./permissions.ts";

/** The data folder, as far as everybody who looks into it has to know it. */
export type Place = {
  dataDir: string;
  /** Null: it is not there yet. */
  folder: { uid: number; gid: number; mode: number; isFolder: boolean } | null;
  /** Null: there is none yet. */
  database: { path: string; bytes: number; bornAt: number } | null;
  /**
   * Whom the folder belongs to; or relay.db, where the folder is root's, as one that nobody has given away is. Null: there is no
   * folder, or this system has no owners.
   */
  account: Account | null;
};

/** A disk that is gone (a dead NFS server) would hold each who asks for ever. */
const PATIENCE = 5_000;

/**
 * Looks at the data folder once, for all. Rejects with AlreadySaid, for the one probe that says it, where it cannot, or not in time: then nobody should touch the disk,
 * and SQLite, which knows no time limits, least of all.
 */
export function lookAtPlace(
  dataDir: string,
  { clock, platform }: { clock: Clock; platform: string },
): () => Promise<Place> {
  let looked: Promise<Place> | null = null;
  const look = async (): Promise<Place> => {
    const folder = await statOrNull(dataDir);
    const path = join(dataDir, "relay.db");
    const database = folder && (await statOrNull(path));
    const owner = platform === "win32" ? null : folder?.uid === 0 && database ? database : folder;
    return {
      dataDir,
      folder: folder && { uid: folder.uid, gid: folder.gid, mode: folder.mode, isFolder: folder.isDirectory() },
      database: database && { path, bytes: database.size, bornAt: database.birthtimeMs },
      account: owner && (await readAccount(owner)),
    };
  };
  return () => {
    looked ??= inTime({ clock, ms: PATIENCE }, look).catch((error) => {
      const { code } = error as { code?: string };
      const why = code === "EACCES" ? "this user may not (EACCES)" : error.message;
      throw new AlreadySaid(`${dataDir} cannot be looked at: ${why}`);
    });
    return looked;
  };
}

async function statOrNull(path: string) {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw error;
  });
}
