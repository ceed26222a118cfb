import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";

/** In the data folder: the numbers of all events that there were. */
const NOTE = "events-before.json";

/** Notes which events there are, before anything is pruned. */
export function noteIds(dataDir: string): void {
  const db = new Database(join(dataDir, "relay.db"), { readonly: true });
  const ids = db.prepare<[], number>("SELECT id FROM events").pluck().all();
  db.close();
  writeFileSync(join(dataDir, NOTE), JSON.stringify(ids));
}

type Part = { key: string; sha256: Buffer };

/**
 * The numbers of the events of a filled database (fill-old.ts) that are pruned, and of which no kept file has a line. A relay may
 * not be writing meanwhile.
 */
export function missingIn(dataDir: string, folder: string): number[] {
  const db = new Database(join(dataDir, "relay.db"), { readonly: true });
  try {
    const archived = new Set<number>();
    for (const { key } of db.prepare<[], Part>("SELECT key FROM archive_parts WHERE state = 'kept'").all()) {
      if (!existsSync(join(folder, key))) return [0];
      for (const id of idsIn(join(folder, key))) archived.add(id);
    }
    const bodies = db.prepare<[], { id: number; gone: number }>("SELECT id, body IS NULL AS gone FROM events");
    const there = new Set<number>();
    const missing: number[] = [];
    for (const { id, gone } of bodies.iterate()) {
      there.add(id);
      if (gone === 1 && !archived.has(id)) missing.push(id);
    }
    const before = JSON.parse(readFileSync(join(dataDir, NOTE), "utf8")) as number[];
    for (const id of before) if (!there.has(id) && !archived.has(id)) missing.push(id);
    return missing;
  } finally {
    db.close();
  }
}

/** The numbers of the ids in a file; of `evt_` they are base 32. */
function idsIn(file: string): number[] {
  const [, ...lines] = gunzipSync(readFileSync(file)).toString().trimEnd().split("\n");
  return lines.map((line) => Number.parseInt(/^\{"id":"evt_([0-9a-v]{11})/.exec(line)![1]!, 32));
}

/** How many files there are that are no kept part. */
export function strayIn(dataDir: string, folder: string): string[] {
  const db = new Database(join(dataDir, "relay.db"), { readonly: true });
  try {
    const known = new Set(
      db
        .prepare<[], Part>("SELECT key FROM archive_parts WHERE state = 'kept'")
        .all()
        .map(({ key }) => key),
    );
    return (existsSync(folder) ? readdirSync(folder) : []).filter((name) => name.endsWith(".gz") && !known.has(name));
  } finally {
    db.close();
  }
}
