import { hash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";

/** In the data folder: what there was of each event. */
const NOTE = "events-before.json";

/** What there is of an event in short: its body, and how many attempts were made. */
const markOf = (body: Uint8Array, attempts: number) => `${hash("sha1", body).slice(0, 12)}.${attempts}`;

/** Notes which events there are and what is in them, before anything is pruned. */
export function noteEvents(dataDir: string): void {
  const db = new Database(join(dataDir, "relay.db"), { readonly: true });
  const rows = db.prepare<[], { id: number; body: Buffer; attempts: number }>(
    `SELECT id, body, (SELECT count(*) FROM attempts WHERE delivery > e.id AND delivery <= e.id + e.deliveries) AS attempts
     FROM events e`,
  );
  const notes: [number, string][] = [];
  for (const { id, body, attempts } of rows.iterate()) notes.push([id, markOf(body, attempts)]);
  db.close();
  writeFileSync(join(dataDir, NOTE), JSON.stringify(notes));
}

type Part = { key: string; sha256: Buffer };

/**
 * What is wrong: a kept file that is not there, or is not what was kept, and events of a filled database (fill-old.ts) that are
 * pruned, and of which no kept file has a line with their body and their attempts. A relay may not be writing meanwhile.
 */
export function missingIn(dataDir: string, folder: string): string[] {
  const before = new Map(JSON.parse(readFileSync(join(dataDir, NOTE), "utf8")) as [number, string][]);
  const db = new Database(join(dataDir, "relay.db"), { readonly: true });
  const problems: string[] = [];
  try {
    const archived = new Set<number>();
    for (const { key, sha256 } of db.prepare<[], Part>("SELECT * FROM archive_parts WHERE state = 'kept'").all()) {
      const path = join(folder, key);
      const bytes = existsSync(path) ? readFileSync(path) : null;
      const sum = bytes && hash("sha256", bytes);
      if (bytes === null || sum !== sha256.toString("hex")) problems.push(`${key} is not what was kept`);
      else for (const [id, mark] of linesOf(bytes, sum)) if (before.get(id) === mark) archived.add(id);
    }
    const there = new Set(db.prepare<[], number>("SELECT id FROM events WHERE body IS NOT NULL").pluck().all());
    for (const id of before.keys())
      if (!there.has(id) && !archived.has(id)) problems.push(`event ${id} is pruned, and in no file as it was`);
    return problems;
  } finally {
    db.close();
  }
}

/** Of the files that were read: they are read again and again, and do not change. */
const known = new Map<string, [number, string][]>();

type Line = {
  id?: string;
  of?: string;
  body?: string;
  bodyBase64?: string;
  deliveries: { attempts: unknown[] }[];
};

/** The numbers of the ids in a file (of `evt_` they are base 32), and what there is of each. */
function linesOf(file: Uint8Array, sum: string): [number, string][] {
  const found = known.get(sum);
  if (found !== undefined) return found;
  const [, ...lines] = gunzipSync(file).toString().trimEnd().split("\n");
  const events = new Map<string, { body: Uint8Array; attempts: number }>();
  for (const text of lines) {
    const { id, of, body, bodyBase64, deliveries } = JSON.parse(text) as Line;
    const bytes = body === undefined ? Buffer.from(bodyBase64 ?? "", "base64") : Buffer.from(body);
    const event = of === undefined ? { body: bytes, attempts: 0 } : events.get(of)!;
    for (const { attempts } of deliveries) event.attempts += attempts.length;
    if (id !== undefined) events.set(id, event);
  }
  const marks = [...events].map(([id, { body, attempts }]): [number, string] => [
    Number.parseInt(id.slice("evt_".length, "evt_".length + 11), 32),
    markOf(body, attempts),
  ]);
  known.set(sum, marks);
  return marks;
}

/** The files that are no kept part. */
export function strayIn(dataDir: string, folder: string): string[] {
  const db = new Database(join(dataDir, "relay.db"), { readonly: true });
  try {
    const kept = new Set(
      db
        .prepare<[], Part>("SELECT key FROM archive_parts WHERE state = 'kept'")
        .all()
        .map(({ key }) => key),
    );
    return (existsSync(folder) ? readdirSync(folder) : []).filter((name) => name.endsWith(".gz") && !kept.has(name));
  } finally {
    db.close();
  }
}
