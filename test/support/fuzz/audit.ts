import { lstatSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { sha256Of } from "../bytes.ts";
import type { Stored } from "../stored.ts";
import type { App } from "./app.ts";
import { judgeBody } from "./oracle.ts";
import type { Ledger } from "./senders.ts";

/** Members that an enriched body may change (CONTRACT, "Enriched body"). */
const TOUCHED = new Set(["type", "videoContext", "videoUrl", "thumbnailUrl", "relay"]);

/** Up to so many bytes of quarantined bodies nothing has left yet (CONTRACT, "Public listener"). */
const SURELY_KEPT = 200 * 2 ** 20;

export type Audited = { events: number; duplicates: number; quarantined: number; compared: number; files: number };

type Given = {
  stored: Stored;
  mediaDir: string;
  ledger: Ledger;
  app: App;
  /** Bodies that were sent beside the cases. */
  others: Uint8Array[];
  /** The sha256 of each id's video, for those that could be mirrored. */
  copies: Map<string, string>;
  problems: string[];
};

/** Compares what is stored, and what was delivered, with what was sent. The relay must have stopped. */
export async function audit(given: Given): Promise<Audited> {
  const { stored, problems } = given;
  const integrity = stored.integrity();
  if (integrity !== "ok") problems.push(`integrity_check: ${integrity}`);
  return {
    ...(await auditEvents(given)),
    quarantined: await auditQuarantine(given),
    compared: auditDeliveries(given),
    files: await auditFiles(given),
  };
}

async function auditEvents({ stored, ledger, app, others, problems }: Given) {
  const beside = new Set(others.map(sha256Of));
  const missing = new Map(ledger.taken);
  const untold: string[] = [];
  let events = 0;
  let repeats = 0;
  for await (const { id, videoId, duplicates } of stored.events()) {
    events++;
    repeats += duplicates;
    missing.delete(id);
    const body = await stored.body(id);
    const shown = () => Buffer.from(body.subarray(0, 300)).toString();
    const judged = judgeBody(body);
    if ("code" in judged) problems.push(`${id} is stored, but is ${judged.code}: ${shown()}`);
    else if (judged.id !== videoId) problems.push(`${id} is filed under ${JSON.stringify(videoId)}: ${shown()}`);
    const delivered = app.delivered.get(id);
    if (delivered === undefined) problems.push(`${id} was never delivered: ${shown()}`);
    else if (delivered.videoId !== videoId) problems.push(`${id} was delivered for another video`);
    const sha256 = sha256Of(body);
    if (beside.has(sha256)) continue;

    const told = ledger.taken.get(id);
    if (told === undefined) untold.push(`${id} is stored, and nobody was told: ${shown()}`);
    const accepted = told?.find(({ status }) => status === "accepted");
    if (accepted !== undefined && accepted.sha256 !== sha256)
      problems.push(`${id} is stored with other bytes: ${shown()}`);
    const counted = told?.filter(({ status }) => status === "duplicate").length ?? 0;
    if (counted !== duplicates && !ledger.guessed.has(id))
      (counted < duplicates ? untold : problems).push(
        `${id} counts ${duplicates} duplicates, ${counted} were acknowledged`,
      );
    if (told?.some((each) => each.videoId !== videoId))
      problems.push(`${id} was given as the id of another video's event`);
  }
  // A mutated request may be taken although its sender has left (RFC 9112 leaves that to the server).
  if (untold.length > ledger.unanswered) problems.push(...untold);
  for (const id of missing.keys()) problems.push(`LOST: ${id} was acknowledged and is not stored`);
  return { events, duplicates: repeats };
}

/** What is kept is what was sent; the oldest may have left. */
async function auditQuarantine({ stored, ledger, problems }: Given): Promise<number> {
  let found = 0;
  let bytes = 0;
  for await (const one of stored.quarantined()) {
    if (one.reason !== "invalid_json" && one.reason !== "invalid_event") continue;
    bytes += one.bytes;
    const sent = ledger.quarantined.get(one.id);
    if (sent === undefined) continue;
    found++;
    const held = await stored.quarantinedBody(one.id);
    // A body in another character set that is no event, once decoded either, is kept as it came.
    const decoded = Buffer.from(new TextDecoder("utf-16le").decode(held));
    if (sent !== sha256Of(held) && sent !== sha256Of(decoded))
      problems.push(`${one.id} holds other bytes than were sent`);
  }
  if (found < ledger.quarantined.size && bytes < SURELY_KEPT)
    problems.push(`of ${ledger.quarantined.size} quarantined bodies only ${found} are there`);
  return found;
}

/** Members that nobody touched mean the same on the other side. */
function auditDeliveries({ ledger, app, problems }: Given): number {
  let compared = 0;
  for (const [id, { json, body }] of app.delivered) {
    const sent = ledger.kept.get(id);
    if (body === null || sent === undefined) continue;
    compared++;
    const before = JSON.parse(new TextDecoder().decode(sent)) as Record<string, unknown>;
    for (const name of new Set([...Object.keys(before), ...Object.keys(json)])) {
      if (TOUCHED.has(name)) continue;
      if (Object.hasOwn(before, name) !== Object.hasOwn(json, name) || !isSame(before[name], json[name]))
        problems.push(`${id} was delivered with another ${JSON.stringify(name)}: ${body.toString().slice(0, 300)}`);
    }
  }
  return compared;
}

function isSame(a: unknown, b: unknown): boolean {
  try {
    return isDeepStrictEqual(a, b);
  } catch {
    return true; // too deep to be compared
  }
}

/** Every copy is inside, a plain file, and the very video of its id; and there is nothing else. */
async function auditFiles({ stored, mediaDir, copies, problems }: Given): Promise<number> {
  const owners = new Map<string, string>();
  const root = realpathSync(mediaDir);
  for await (const { key, kind, videoId, state } of stored.media()) {
    const name = JSON.stringify(videoId);
    if (state !== "mirrored" && state !== "failed" && state !== "superseded")
      problems.push(`a ${kind} of ${name} ended as ${state}`);
    if (key === null) continue;
    if (owners.has(key) && owners.get(key) !== videoId)
      problems.push(`${JSON.stringify(owners.get(key))} and ${name} share ${key}`);
    owners.set(key, videoId);
    const path = realpathSync(join(mediaDir, key));
    if (!path.startsWith(root + sep)) problems.push(`the copy of ${name} is outside: ${path}`);
    else if (kind === "video" && copies.get(videoId) !== sha256Of(readFileSync(path)))
      problems.push(`${key} is not the video of ${name}`);
  }
  const names = readdirSync(mediaDir, { recursive: true }) as string[];
  const files = names.filter((name) => !lstatSync(join(mediaDir, name)).isDirectory());
  for (const name of files) {
    if (!lstatSync(join(mediaDir, name)).isFile()) problems.push(`${name} under media/ is no plain file`);
    if (!owners.has(name.split(sep).join("/"))) problems.push(`${name} under media/ belongs to no row`);
  }
  const mirrored = new Set(owners.values());
  for (const videoId of copies.keys())
    if (!mirrored.has(videoId)) problems.push(`the video of ${JSON.stringify(videoId)} was not mirrored`);
  return files.length;
}
