import type Database from "better-sqlite3";
import type { Ports } from "../../../ports.ts";
import type { IntegrityCheck } from "../../store.ts";

// Facts about the database itself, by name: what is no row of anything else.

type Value = { value: Buffer };

const READ = "SELECT value FROM meta WHERE name = ?";
const WRITE = "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)";

/** Writes about this many random bytes: a file system that compresses would find room for zeros. */
export function probe(db: Database.Database, bytes: number): void {
  db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', randomblob(?))").run(Math.max(bytes, 1));
}

/** The secret behind `sig` in media links. */
export function readSecret(db: Database.Database): Uint8Array | undefined {
  return db.prepare<[string], Value>(READ).get("media-secret")?.value;
}

export function makeSecret(db: Database.Database, random: Ports["random"]): Uint8Array {
  db.prepare("INSERT OR IGNORE INTO meta (name, value) VALUES ('media-secret', ?)").run(random.bytes(32));
  return readSecret(db)!;
}

/** The last check of the whole database. */
export function readCheck(db: Database.Database): IntegrityCheck | null {
  const row = db.prepare<[string], Value>(READ).get("integrity");
  return row === undefined ? null : (JSON.parse(row.value.toString()) as IntegrityCheck);
}

export function writeCheck(db: Database.Database, check: IntegrityCheck): void {
  db.prepare(WRITE).run("integrity", Buffer.from(JSON.stringify(check)));
}
