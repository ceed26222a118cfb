import { errorLine, RelayError } from "../errors.ts";
import { runOwnProcess } from "../platform/own-process.ts";
import { removePart } from "../store/backup.ts";

/** What a backup's own process says of it. */
export type MadeBackup = {
  bytes: number;
  events: number;
  newest: number | null;
  /** Hexadecimal. */
  sha256: string;
};

/** Makes a verified backup at a path. Rejects with one line; at the signal it ends, and leaves nothing. */
export type RunBackup = (file: string, signal: AbortSignal) => Promise<MadeBackup>;

/**
 * Backups by a process of their own (`wochit-relay backup FILE --database PATH`): neither the copying nor the checking touches
 * this one's event loop. `self`: how this program is started again. It is killed at once where it has to end: its check hears
 * nothing else, and all that it leaves has one name.
 */
export function backupProcess(database: string, self: { command: string; args: string[] }): RunBackup {
  return async (file, signal) => {
    signal.throwIfAborted();
    const ended = await runOwnProcess(self, ["backup", file, "--database", database], signal).catch((error) => {
      throw new RelayError("unsupported", `the backup's process cannot be started: ${errorLine(error)}`);
    });
    const { code, killedBy, stdout, lastLine } = ended;
    if (killedBy !== null || signal.aborted) await removePart(file).catch(() => {});
    signal.throwIfAborted();
    if (code === 0) return read(stdout);
    throw new RelayError("unsupported", lastLine || `the backup's process ended with ${killedBy ?? code}`);
  };
}

function read(text: string): MadeBackup {
  const { bytes, events, newestEvent, sha256 } = JSON.parse(text);
  return { bytes, events, newest: newestEvent === null ? null : Date.parse(newestEvent), sha256 };
}
