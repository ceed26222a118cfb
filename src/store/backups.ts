/** Where a backup is: in the configured folder, in the mirror target, or in a file of an operator's own. */
export type BackupPlace = "dir" | "target" | "file";

/** A backup that was opened and checked. */
export type Backup = {
  id: string;
  /** When the database was as the backup has it. */
  at: number;
  place: BackupPlace;
  /** An absolute path; in the target its key. */
  name: string;
  bytes: number;
  events: number;
  /** When the newest event was received; null: there was none. */
  newest: number | null;
  /** The relay made it by itself, and removes it when its time has come. */
  planned: boolean;
};

/** A backup that is about to be made: its file is found by this where a crash cut its making off. */
export type BegunBackup = Pick<Backup, "place" | "name">;

/** The last try of the schedule failed: when, why, and when it is tried again. */
export type FailedBackup = { at: number; error: string; againAt: number };

/**
 * The records of backups of the store's file. They are a port of their own: an engine whose data are copied by other means
 * has none. The verbs behave as those of the store do.
 */
export type Backups = {
  /** Remembers where a backup is about to be, until it is noted there, or ended. */
  begin(begun: BegunBackup): Promise<void>;
  /** Those that were begun, and neither noted nor ended. */
  begun(): Promise<BegunBackup[]>;
  /** Nothing is there, or nothing that has to be removed. */
  end(begun: BegunBackup): Promise<void>;
  /** Remembers a backup that was opened and checked; one of the same place and name is replaced, and is begun no longer. */
  note(backup: Omit<Backup, "id">): Promise<void>;
  /** Those that are remembered, the newest first. */
  list(): Promise<Backup[]>;
  /** The newest of them; null: there is none. */
  last(): Promise<Backup | null>;
  /** Remembers that the last try of the schedule failed, until a planned backup succeeds. */
  noteFailed(failed: FailedBackup): Promise<void>;
  failed(): Promise<FailedBackup | null>;
  /** The backup itself is gone; its record goes too. */
  forget(id: string): Promise<void>;
};
