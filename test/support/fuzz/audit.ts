import { lstatSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { isDeepStrictEqual } from "node:util";
import Database from "better-sqlite3";
import { showId } from "../../../src/store/sqlite/ids.ts";
import type { App } from "./app.ts";
import { judgeBody } from "./oracle.ts";
import { type Ledger, sha256Of } from "./senders.ts";

/** Members that an enriched body may change (CONTRACT, "Enriched body"). */
const TOUCHED = new Set(["type", "videoContext", "videoUrl", "thumbnailUrl", "relay"]);

export type Audited = { events: number; duplicates: number; quarantined: number; compared: number; files: number };

/**
 * Compares what is stored, and what was delivered, with what was sent. The relay must have stopped. `others` are bodies
 * that were sent beside the cases; `copies` tells the sha256 of what each id's video must be.
 */
export function audit(given: {
  dataDir: string;
  ledger: Ledger;
  app: App;
  others: Uint8Array[];
  copies: Map<string, string>;
  problems: string[];
}): Audited {
  const { ledger, app, problems } = given;
  const db = new Database(join(given.dataDir, "relay.db"), { readonly: true, fileMustExist: true });
  try {
    const integrity = db.pragma("integrity_check", { simple: true });
    if (integrity !== "ok") problems.push(`integrity_check: ${integrity}`);
    const stored = auditEvents(db, given);
    const compared = auditDeliveries(ledger, app, problems);
    const files = auditFiles(db, join(given.dataDir, "media"), given.copies, problems);
    return { ...stored, quarantined: auditQuarantine(db, ledger, problems), compared, files };
  } finally {
    db.close();
  }
}

function auditEvents(
  db: Database.Database,
  { ledger, app, others, problems }: { ledger: Ledger; app: App; others: Uint8Array[]; problems: string[] },
) {
  const beside = new Set(others.map(sha256Of));
  let events = 0;
  const rows = db.prepare("SELECT e.id, e.body, v.video_id FROM events e JOIN videos v ON v.id = e.video");
  for (const row of rows.iterate() as Iterable<{ id: number; body: Buffer; video_id: string }>) {
    events++;
    const id = showId("evt", row.id);
    const judged = judgeBody(row.body);
    if ("code" in judged) problems.push(`${id} is stored, but is ${judged.code}: ${row.body.toString().slice(0, 200)}`);
    else if (judged.id !== row.video_id)
      problems.push(`${id} is filed under ${JSON.stringify(row.video_id)}, not ${JSON.stringify(judged.id)}`);
    const sent = ledger.taken.get(id);
    if (beside.has(sha256Of(row.body))) continue;
    if (sent === undefined) problems.push(`${id} is stored, and nobody was told: ${row.body.toString().slice(0, 200)}`);
    else if (
      sent.some(({ status }) => status === "accepted") &&
      !sent.some(({ sha256, status }) => status === "accepted" && sha256 === sha256Of(row.body))
    )
      problems.push(`${id} is stored with other bytes than were sent: ${row.body.toString().slice(0, 200)}`);
    ledger.taken.delete(id);
    const duplicates = sent?.filter(({ status }) => status === "duplicate") ?? [];
    for (const { sha256, videoId } of duplicates) {
      if (!hasDuplicate(db, row.id, sha256))
        problems.push(`a duplicate of ${id} (${JSON.stringify(videoId)}) is not recorded`);
    }
    if (!app.delivered.has(id)) problems.push(`${id} was never delivered`);
    else if (app.delivered.get(id)!.videoId !== row.video_id) problems.push(`${id} was delivered for another video`);
  }
  for (const id of ledger.taken.keys()) problems.push(`LOST: ${id} was acknowledged and is not stored`);
  const duplicates = (db.prepare("SELECT count(*) AS n FROM duplicates").get() as { n: number }).n;
  return { events, duplicates };
}

function hasDuplicate(db: Database.Database, event: number, sha256: string): boolean {
  const bodies = db.prepare("SELECT body FROM duplicates WHERE event = ?").all(event) as { body: Buffer }[];
  return bodies.some(({ body }) => sha256Of(body) === sha256);
}

/** What is kept is what was sent; the oldest may have left (256 MiB are kept). */
function auditQuarantine(db: Database.Database, ledger: Ledger, problems: string[]): number {
  let found = 0;
  const rows = db.prepare("SELECT id, body FROM quarantine WHERE ring = 0");
  for (const row of rows.iterate() as Iterable<{ id: number; body: Buffer }>) {
    const sent = ledger.quarantined.get(showId("qrn", row.id));
    if (sent === undefined) continue;
    found++;
    if (sent !== sha256Of(row.body)) problems.push(`${showId("qrn", row.id)} holds other bytes than were sent`);
  }
  const bytes = (
    db.prepare("SELECT coalesce(sum(bytes), 0) AS n FROM quarantine WHERE ring = 0").get() as { n: number }
  ).n;
  if (found < ledger.quarantined.size && bytes < 200 * 2 ** 20)
    problems.push(`of ${ledger.quarantined.size} quarantined bodies only ${found} are there`);
  return found;
}

/** Members that nobody touched mean the same on the other side. */
function auditDeliveries(ledger: Ledger, app: App, problems: string[]): number {
  let compared = 0;
  for (const [id, { json, body }] of app.delivered) {
    const sent = ledger.kept.get(id);
    if (body === null || sent === undefined) continue;
    compared++;
    const before = JSON.parse(new TextDecoder().decode(sent)) as Record<string, unknown>;
    const names = new Set([...Object.keys(before), ...Object.keys(json)]);
    for (const name of names) {
      if (TOUCHED.has(name)) continue;
      try {
        if (Object.hasOwn(before, name) !== Object.hasOwn(json, name) || !isDeepStrictEqual(before[name], json[name]))
          problems.push(`${id} was delivered with another ${JSON.stringify(name)}: ${body.toString().slice(0, 300)}`);
      } catch {
        // Too deep to be compared.
      }
    }
  }
  return compared;
}

/** Every file is inside, a real file, known by a row, and the very video of its id. */
function auditFiles(db: Database.Database, dir: string, copies: Map<string, string>, problems: string[]): number {
  const rows = db
    .prepare("SELECT m.key, m.kind, v.video_id FROM media m JOIN videos v ON v.id = m.video WHERE m.key IS NOT NULL")
    .all() as {
    key: string;
    kind: string;
    video_id: string;
  }[];
  const owners = new Map<string, string>();
  const root = realpathSync(dir);
  for (const { key, kind, video_id: videoId } of rows) {
    const owner = owners.get(key);
    if (owner !== undefined)
      problems.push(`${JSON.stringify(owner)} and ${JSON.stringify(videoId)} share the file ${key}`);
    owners.set(key, videoId);
    const path = realpathSync(join(dir, key));
    if (!path.startsWith(root + sep)) problems.push(`the copy of ${JSON.stringify(videoId)} is outside: ${path}`);
    else if (kind === "video" && copies.get(videoId) !== sha256Of(readFileSync(path)))
      problems.push(`${key} is not the video of ${JSON.stringify(videoId)}`);
  }
  const files = (readdirSync(dir, { recursive: true }) as string[]).filter(
    (name) => !lstatSync(join(dir, name)).isDirectory(),
  );
  for (const name of files) {
    if (!lstatSync(join(dir, name)).isFile()) problems.push(`${name} under media/ is no plain file`);
    if (!owners.has(name.split(sep).join("/"))) problems.push(`${name} under media/ belongs to no row`);
  }
  for (const [videoId] of copies)
    if (![...owners.values()].includes(videoId))
      problems.push(`the video of ${JSON.stringify(videoId)} was not mirrored`);
  return files.length;
}
