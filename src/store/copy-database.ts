import type { Ports } from "../ports.ts";
import type {
  BackupSource,
  Compacted,
  Copied,
  CopyOptions,
  Restored,
  RestoreOptions,
  StoreCopied,
  StoreCopyOptions,
} from "./backup.ts";
import type { Opening } from "./settings.ts";

/**
 * Copies a database to a file while others work on it, proves the copy, and only then gives it the file's name. Nothing but
 * a former backup is ever replaced. RelayError with one line for whatever keeps it from that; then there is nothing new.
 */
export async function copyDatabase(database: string, file: string, options: CopyOptions): Promise<Copied> {
  const { copyDatabase } = await import("./sqlite/backup/copy.ts");
  return copyDatabase(database, file, options);
}

/**
 * Puts a backup into a data folder that has no database, proven, as a new epoch. RelayError("conflict") where there is one,
 * where a relay runs, and where the file is newer than this program, damaged, or none of ours. Nothing is read before it is
 * known that there is a place for it.
 */
export async function restoreDatabase(from: BackupSource, dataDir: string, options: RestoreOptions): Promise<Restored> {
  const { restoreDatabase } = await import("./sqlite/backup/restore.ts");
  return restoreDatabase(from, dataDir, options);
}

/**
 * Writes the database of a data folder anew, without the room that nothing uses, proves it, and puts it in the place of the
 * old one; from then on it gives room back by itself. Cut off at any moment one of the two is there, whole.
 * RelayError("conflict") while a relay, or another process, has it open; "unsupported" where the disk lacks the room.
 */
export async function compactDatabase(dataDir: string): Promise<Compacted> {
  const { compactDatabase } = await import("./sqlite/backup/compact.ts");
  return compactDatabase(dataDir);
}

/**
 * Copies the database of a data folder into the PostgreSQL of `store.url`, which is empty, while no relay runs on the folder: all of
 * it or nothing. The copy begins an epoch; the file stays as it is. Each table is read again, and compared. RelayError("conflict")
 * while a relay runs, while copies of media lie in a folder, and where PostgreSQL holds anything; "not_found" where there is no
 * database; "config" where `store.url` is not set or cannot be read; "store_unavailable" where no PostgreSQL takes writes.
 */
export async function copyStore(
  opening: Pick<Opening, "dataDir" | "server">,
  ports: Ports,
  options: StoreCopyOptions,
): Promise<StoreCopied> {
  const { copyToServer } = await import("./postgres/copy/copy.ts");
  return copyToServer(opening, ports, options);
}
