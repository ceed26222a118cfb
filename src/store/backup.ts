import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { RelayError } from "../errors.ts";
import type { Actor } from "../model/audit.ts";
import type { Clock } from "../ports.ts";

/** RelayError("unsupported") for a store on PostgreSQL, of which the relay makes no backups. */
export function refuseOnServer({ store }: { store: unknown }, instead: string): void {
  if (store !== null) throw new RelayError("unsupported", `the store is on PostgreSQL (store.url): ${instead}`);
}

/** How far a copy is, in bytes. */
export type CopyProgress = { step: "copying" | "checking"; done: number; total: number };

/** A copy that has been opened and checked. */
export type Copied = {
  file: string;
  bytes: number;
  /** When what it holds was as it holds it. */
  at: number;
  schema: number;
  /** Events, without the relay's own notices. */
  events: number;
  /** When the newest of them was received; null: there is none. */
  newest: number | null;
  /** Hexadecimal, of the whole file; null where it was not asked for. */
  sha256: string | null;
  /** Milliseconds that it took. */
  ms: number;
};

export type CopyOptions = {
  clock: Clock;
  signal?: AbortSignal;
  onProgress?(progress: CopyProgress): void;
  withHash?: boolean;
};

/** `actor`: who restores, for the audit. */
export type RestoreOptions = CopyOptions & { actor?: Actor };

/** What was put in the place of a database that was lost. */
export type Restored = Pick<Copied, "file" | "bytes" | "schema" | "events" | "newest" | "ms"> & {
  /** The schema that this program brings it to when it starts. */
  newestSchema: number;
};

/** The database of a data folder. */
export function databaseOf(dataDir: string): string {
  return join(dataDir, "relay.db");
}

/** "20261122T031427Z": a time as names of files have it, which sort as their times do. */
export function stampOf(now: number): string {
  return new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
}

/** What a backup of this time is called where the relay names it; with `secret` it cannot be guessed. */
export function nameBackup(now: number, secret?: Uint8Array): string {
  return `relay-${stampOf(now)}${secret === undefined ? "" : `-${Buffer.from(secret).toString("hex")}`}.db`;
}

/** Files that SQLite keeps beside a database (sqlite.org/tempfiles.html). */
export const COMPANIONS = ["-journal", "-wal", "-shm"];

/** How the names of copies that are not whole yet end: nothing else has such names. */
export const PART = ".relay-part";

/** Where a copy is until it is whole. */
export function partOf(file: string): string {
  return join(dirname(file), `.${basename(file)}${PART}`);
}

/** Removes what a process that was killed has left of a copy: only after its end. */
export async function removePart(file: string): Promise<void> {
  for (const end of ["", ...COMPANIONS]) await rm(partOf(file) + end, { force: true });
}

/** Where what is restored comes from: a file, or what is read elsewhere, once, and spoken of by this name. */
export type BackupSource = string | { name: string; read(): Promise<AsyncIterable<Uint8Array>> };

/** The size of a database file before it was written anew, and after, in bytes. */
export type Compacted = { before: number; after: number };

/** `actor`: who copies, for the audit. */
export type StoreCopyOptions = {
  actor: Actor;
  signal?: AbortSignal;
  /** How far a step is; a copy has several. */
  onProgress?(progress: { step: string; done: number; total: number }): void;
};

/** `sha256`: hexadecimal, of all rows in order. */
export type CopiedTable = { table: string; rows: number; sha256: string };

/** `epoch`: the number of the new one. `ms`: milliseconds that it took. */
export type StoreCopied = { tables: CopiedTable[]; rows: number; epoch: number; ms: number };
