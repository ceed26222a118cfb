import { RelayError } from "../../../errors.ts";
import type { DownloadJob, DownloadOutcome, Job } from "../../../model/job.ts";
import { isPartOnly, NOT_WHOLE } from "../../../rules/part-only.ts";
import { MIRRORING_OFF, NO_HOST } from "../../../rules/plan.ts";
import { LATEST_TIME } from "../../../rules/plausible-time.ts";
import type { ClaimWish } from "../../store.ts";
import { held } from "../rows/held.ts";
import { rowsOf } from "../rows/merge.ts";
import { aboutFound, inLanes } from "../rows/named.ts";
import { PER_MS } from "../rows/numbers.ts";
import { sql, type Tx } from "../tx.ts";
import * as media from "./rows.ts";
import { copyOf, type MediumRow } from "./rows.ts";
import * as ends from "./settle.ts";
import * as transfers from "./transfers.ts";

/** A scan over hosts stops here, so that a flood of made-up ones cannot make a claim slow. */
const MAX_HOSTS = 200;

/** At most this many media that were skipped while mirroring was off are taken up in one claim. */
const TAKEN_UP_AT_ONCE = 100;

/** At most this many media are skipped in one transaction. */
const SKIPPED_AT_ONCE = 100;

// Claims and settles downloads.

const FIRST_TRIES = sql<[string, number], MediumRow>(
  "SELECT * FROM media WHERE host = ? AND due <= 0 ORDER BY due, id LIMIT ?",
);
// By deadline among those that are due the longest: a host that was away for days has any number of them.
const REPEATED = sql<[string, number, number], MediumRow>(
  `SELECT m.* FROM (SELECT * FROM media WHERE host = ? AND due > 0 AND due <= ? ORDER BY due, id LIMIT 500) m
   ORDER BY m.deadline, m.due, m.id LIMIT ?`,
);
// One after the other by the index, in one statement.
const HOSTS = sql<[string, number], { host: string }>(
  `WITH RECURSIVE h (host, n) AS (
     SELECT (SELECT min(host) FROM media WHERE due IS NOT NULL AND host > ?), 1
     UNION ALL SELECT (SELECT min(m.host) FROM media m WHERE m.due IS NOT NULL AND m.host > h.host), h.n + 1 FROM h
       WHERE h.host IS NOT NULL AND h.n < ?)
   SELECT host FROM h WHERE host IS NOT NULL`,
);
const FIRST_DUE = sql<[string], { due: number | null }>(
  "SELECT min(due) AS due FROM media WHERE host = ? AND due IS NOT NULL",
);
const LEASE = sql<[number, number, number]>(
  `UPDATE media SET state = 'running', due = ?, claims = claims + 1, first_tried_at = coalesce(first_tried_at, ?)
   WHERE id = ?`,
);
const RENEW = sql<[number, number, number]>(
  "UPDATE media SET due = ? WHERE id = ? AND claims = ? AND state = 'running'",
);
// What is in the spool is secured: its upload goes on.
const UNSETTLED = sql<[number], MediumRow>(
  "SELECT * FROM media WHERE state IN ('pending', 'running') AND spooled IS NULL LIMIT ?",
);
const SKIPPED_WHILE_OFF = sql<[number], MediumRow>(
  `SELECT * FROM media
   WHERE last_error = '${MIRRORING_OFF}' AND state || '' IN ('skipped', 'mirrored') ORDER BY id LIMIT ?`,
);
const WAIT = sql<[number]>("UPDATE media SET due = NULL WHERE id = ?");
const BRING_FORWARD = sql<[number]>("UPDATE media SET due = due - ? WHERE due > 0");
// Links that came while the clock was ahead would live until then.
const AGE_LINKS = sql<[number, number, number, number]>(
  `UPDATE media SET linked_at = linked_at - ?, deadline = deadline - ?, risk_at = risk_at - ?
   WHERE due IS NOT NULL AND linked_at > ?`,
);
const NEVER_DUE = sql<[number]>(`UPDATE media SET due = ? WHERE due >= ${LATEST_TIME}`);
const SCHEDULED = sql<[], { id: number }>("SELECT id FROM media WHERE due IS NOT NULL");
const ABOUT = sql<[number, number], { received_at: number | null; video_id: string }>(
  "SELECT (SELECT received_at FROM events WHERE id = ?) AS received_at, video_id FROM videos WHERE id = ?",
);

/** Hosts for which something is scheduled, from where the last scan ended. */
async function hosts(tx: Tx): Promise<string[]> {
  const { lastHost } = tx.memory;
  const behind = await tx.all(HOSTS, [lastHost, MAX_HOSTS]);
  const rest = MAX_HOSTS - behind.length;
  const before = rest > 0 && lastHost !== "" ? await tx.all(HOSTS, ["", rest]) : [];
  const found = [...new Set([...behind, ...before].map(({ host }) => host))];
  tx.memory.lastHost = found.at(-1) ?? lastHost;
  return found;
}

async function ofEach<T>(hosts: string[], ask: (host: string) => Promise<T[]>): Promise<T[]> {
  return (await Promise.all(hosts.map(ask))).flat();
}

/** Of each host the best few, then the best of all: first tries before repeated ones, each by deadline. */
async function candidates(
  tx: Tx,
  { now, limit }: Pick<ClaimWish, "now" | "limit">,
  free: string[],
): Promise<MediumRow[]> {
  const byDeadline = (a: MediumRow, b: MediumRow) => a.deadline - b.deadline;
  const first = (await ofEach(free, (host) => tx.all(FIRST_TRIES, [host, limit]))).sort(byDeadline);
  if (first.length >= limit) return first.slice(0, limit);
  const later = (await ofEach(free, (host) => tx.all(REPEATED, [host, now, limit]))).sort(byDeadline);
  return [...first, ...later].slice(0, limit);
}

/** Those of the rows that wait as they did. */
async function unchanged(tx: Tx, rows: MediumRow[]): Promise<MediumRow[]> {
  const before = new Map(rows.map((row) => [row.id, row]));
  const now = await rowsOf<MediumRow>(tx, { select: "SELECT * FROM media", column: "id" }, [...before.keys()]);
  return now.filter(({ id, due, claims }) => due === before.get(id)!.due && claims === before.get(id)!.claims);
}

/** Mirroring is on again: what was skipped because it was off is downloaded. */
async function takeUp(tx: Tx, now: number): Promise<void> {
  for (const row of await held(tx, TAKEN_UP_AT_ONCE, (most) => tx.all(SKIPPED_WHILE_OFF, [most]))) {
    if (row.host === "") await ends.end(tx, row, "failed", NO_HOST, now);
    else await ends.restart(tx, row, null, now);
  }
}

async function toJob(tx: Tx, row: MediumRow): Promise<DownloadJob> {
  const previous = await media.previous(tx, row);
  const { received_at, video_id } = (await tx.get(ABOUT, [row.event, row.video]))!;
  return {
    id: tx.ids.show("med", row.id),
    queue: "download",
    attempts: row.attempts,
    claim: tx.ids.claim(row.claims + 1),
    eventId: tx.ids.show("evt", row.event),
    videoId: video_id,
    mediumId: tx.ids.show("med", row.id),
    kind: row.kind,
    url: row.url,
    host: row.host,
    deadline: row.deadline,
    // An autosave that retention has taken: its number says when it was stored.
    receivedAt: received_at ?? Math.floor(row.event / PER_MS),
    duration: row.duration,
    previous: previous?.target == null ? null : copyOf(tx.ids, previous),
    hasCopy: row.key !== null,
  };
}

async function tryAgain(
  tx: Tx,
  row: MediumRow,
  outcome: Extract<DownloadOutcome, { is: "retry" }>,
  now: number,
): Promise<void> {
  if (await ends.giveWay(tx, { ...row, state: "pending" }, now)) return;
  const attempts = outcome.own ? row.attempts : outcome.progressed ? 1 : row.attempts + 1;
  await ends.retry(tx, row, outcome.at, attempts, outcome.error, now);
}

export async function claim(tx: Tx, wish: ClaimWish & { busyHosts: string[] }): Promise<DownloadJob[]> {
  if (tx.settings.mirror.enabled) await takeUp(tx, wish.now);
  const jobs: DownloadJob[] = [];
  const free = (await hosts(tx)).filter((host) => !wish.busyHosts.includes(host));
  const find = (limit: number) => candidates(tx, { now: wish.now, limit }, free);
  for (const row of await held(tx, wish.limit, find, (rows) => unchanged(tx, rows))) {
    if (await ends.giveWay(tx, row, wish.now)) continue;
    if (await media.isBlocked(tx, row)) {
      tx.write(WAIT, [row.id]);
      continue;
    }
    // A wish may be older than a link that came in its batch; no try lies before its link.
    tx.write(LEASE, [wish.now + wish.leaseFor, Math.max(wish.now, row.linked_at), row.id]);
    jobs.push(await toJob(tx, row));
  }
  return jobs;
}

export const renew = async (tx: Tx, job: Job, leaseFor: number, now: number) =>
  (await tx.changed(RENEW, [now + leaseFor, tx.ids.find("med", job.id), tx.ids.claimed(job.claim)])) === 1;

export async function settle(
  tx: Tx,
  job: DownloadJob,
  outcome: DownloadOutcome,
  now: number,
): Promise<{ settled: boolean }> {
  const row = await media.byId(tx, tx.ids.find("med", job.id));
  if (row?.state !== "running" || row.claims !== tx.ids.claimed(job.claim)) return { settled: false };
  if (outcome.is === "spooled") {
    if (!(await ends.giveWay(tx, { ...row, state: "pending" }, now))) await ends.spool(tx, row, outcome.file, now);
  } else if (outcome.is === "unchanged")
    await ends.mirror(tx, row, { ...outcome.copy, target: tx.ids.read("tgt", outcome.copy.target) }, now);
  // A failure says nothing of a fresher link that has come meanwhile: that one is tried at once, from attempt 0.
  else if (row.url !== job.url) await ends.restart(tx, { ...row, state: "pending" }, outcome.error, now);
  else if (outcome.is === "retry") await tryAgain(tx, row, outcome, now);
  else await ends.end(tx, row, outcome.is, outcome.error, now);
  return { settled: true };
}

/** When a download comes due: now (0), where a first try waits. */
export async function nextDue(tx: Tx): Promise<number | null> {
  if (tx.settings.mirror.enabled && (await tx.get(SKIPPED_WHILE_OFF, [1])) !== undefined) return 0;
  const seen = await hosts(tx);
  const rows = await Promise.all(seen.map((host) => tx.get(FIRST_DUE, [host])));
  const times = rows.flatMap((row) => row?.due ?? []);
  // Where the scan stopped early, hosts that it did not reach may have something due: the next one goes on from there.
  if (seen.length >= MAX_HOSTS) times.push(tx.now());
  return times.length === 0 ? null : Math.max(0, Math.min(...times));
}

/** Downloads a medium again, from attempt 0, at once, also one of which only part was kept; RelayError("conflict") where that makes no sense. */
export async function retry(tx: Tx, row: MediumRow, now: number): Promise<void> {
  const id = tx.ids.show("med", row.id);
  if (row.host === "") throw new RelayError("conflict", `${id} cannot be downloaded: ${row.last_error}`);
  if (!["pending", "failed", "expired", "skipped"].includes(row.state) && !isPartOnly(row)) {
    throw new RelayError(
      "conflict",
      `${id} is ${row.state}; only pending, failed, expired and skipped media are retried, and those that are ${NOT_WHOLE}`,
    );
  }
  if (row.spooled !== null) return transfers.hasten(tx, row.id, now);
  if (row.state === "pending" && row.due === null) {
    throw new RelayError("conflict", `${id} waits for an earlier download of its video's thumbnail`);
  }
  if (await media.successor(tx, row)) throw new RelayError("conflict", `${id} has been overtaken by a newer thumbnail`);
  await ends.restart(tx, row, null, now);
}

/** Downloads a mirrored medium again, to put what it gets in the place of a copy that is missing or rotten. */
export async function mend(tx: Tx, row: MediumRow, now: number): Promise<void> {
  const id = tx.ids.show("med", row.id);
  if (row.host === "") throw new RelayError("conflict", `${id} cannot be downloaded: its link is not kept`);
  if (row.state !== "mirrored")
    throw new RelayError("conflict", `${id} is ${row.state}; only mirrored media are mended`);
  await ends.mend(tx, row, "its copy is missing or damaged: it is fetched again", now);
}

/** A video that came to nothing, whose file has turned up: its download finds it. */
export async function revive(tx: Tx, ids: number[], now: number): Promise<void> {
  const rows = (await Promise.all(ids.map((id) => media.byId(tx, id)))).filter((row) => row !== undefined);
  const isLost = ({ kind, key, state }: MediumRow) =>
    kind === "video" && key === null && (state === "failed" || state === "expired");
  const lost = rows.filter(isLost);
  await inLanes(
    tx,
    lost,
    ({ video }) => video,
    (row) => ends.restart(tx, row, row.last_error, now),
  );
}

/** Whether the spool must keep what it has of a medium. */
export async function isSpooled(tx: Tx, id: number): Promise<boolean> {
  const row = await media.byId(tx, id);
  return row !== undefined && (row.due !== null || row.spooled !== null);
}

/** Media whose download has begun, or will. */
export const scheduled = async (tx: Tx) => (await tx.all(SCHEDULED, [])).map(({ id }) => id);

export async function freeLeases(tx: Tx, now: number): Promise<number> {
  const leased = `due IS NOT NULL AND state = 'running' AND ${tx.relay.isOwn}`;
  const running = await tx.all(sql<[], MediumRow>(`SELECT * FROM media WHERE ${leased}`), []);
  tx.write(sql<[number]>(`UPDATE media SET state = 'pending', due = ? WHERE ${leased}`), [now]);
  for (const row of running) await ends.giveWay(tx, { ...row, state: "pending" }, now);
  return running.length;
}

export const mendDue = (tx: Tx, now: number) => tx.write(NEVER_DUE, [now]);

export function bringForward(tx: Tx, by: number, now: number): void {
  tx.write(BRING_FORWARD, [by]);
  tx.write(AGE_LINKS, [by, by, by, now]);
}

/** Mirroring is off: some of what was to be downloaded is skipped, and holds no delivery; resolves with whether there is more. */
export const skippingSome = (now: number, mayBegin: (tx: Tx) => Promise<boolean> = async () => true) =>
  aboutFound(
    async (tx) => (await tx.all(UNSETTLED, [SKIPPED_AT_ONCE])).map(({ video }) => video),
    async (tx, isHeld) => {
      if (!(await mayBegin(tx))) return { isMore: false };
      const found = await tx.all(UNSETTLED, [SKIPPED_AT_ONCE]);
      const rows = found.filter(({ video }) => isHeld(video));
      const skip = (row: MediumRow) => ends.end(tx, row, "skipped", MIRRORING_OFF, now);
      await inLanes(tx, rows, ({ video }) => video, skip);
      return { isMore: rows.length < found.length || rows.length === SKIPPED_AT_ONCE };
    },
  );
