import type Database from "better-sqlite3";
import type { SimApp, Taken } from "./app.ts";
import type { OutageCase } from "./cases.ts";

/** An event that was sent. Those of one video are numbered by the relay, from 1, in this order. */
export type Post = { at: number; videoId: string; type: string };

/** What came of a run, without the poison's own deliveries, where there is one. */
export type OutageReport = {
  name: string;
  events: number;
  /** The most waits of the schedule that a delivery spent, and the most attempts that it had. */
  spent: number;
  attempts: number;
  probes: number;
  /** From the end of the trouble to the arrival of the last event that came before it, in milliseconds; null: not all did. */
  recovered: number | null;
  /** The most requests at once, and the longest one, in milliseconds. */
  peak: number;
  longest: number;
  /** How long an event took to the endpoint beside it, at most, in milliseconds; of a poison, to the same one. */
  others: number;
  outOfOrder: number;
  lost: number;
  dead: number;
  /** Warnings and errors in the log. */
  logged: number;
  /** What is not as it must be, in a line each. */
  problems: string[];
};

type Row = { spent: number; attempts: number; state: string; videoId: string };

const DELIVERIES = `SELECT spent, attempts, deliveries.state, video_id AS videoId FROM deliveries
  JOIN videos ON videos.id = deliveries.video WHERE endpoint = 'app'`;
const PROBES = `SELECT count(*) AS count FROM attempts JOIN deliveries ON deliveries.id = attempts.delivery
  WHERE endpoint = 'app' AND probe = 1`;
const LONGEST = `SELECT max(attempts.duration) AS ms FROM attempts JOIN deliveries ON deliveries.id = attempts.delivery
  WHERE endpoint = 'app'`;
const UNSETTLED = "SELECT count(*) AS count FROM deliveries WHERE settled_at IS NULL";

/** The endpoint's, as by default; an attempt takes no longer than its timeout. Milliseconds. */
const TIMEOUT = 15_000;
const CONCURRENCY = 8;

/** An event to an endpoint that works takes no longer than a few answers, in milliseconds. */
const AT_ONCE = 1_000;

/** Lines of the log beside one a minute: when the trouble begins and ends, and of what fails still later. */
const MORE_LINES = 60;
const MINUTE = 60_000;

type Seen = { posts: Post[]; end: number; app: SimApp; other: SimApp; db: Database.Database; logged(): number };

export function judge(outage: OutageCase, { posts, end, app, other, db, logged }: Seen): OutageReport {
  const { poison } = outage;
  const isMine = ({ videoId }: { videoId: string }) => videoId !== poison;
  const rows = db.prepare<[], Row>(DELIVERIES).all().filter(isMine);
  const most = (pick: (row: Row) => number) => Math.max(...rows.map(pick));
  const delays = delaysOf(posts.filter(isMine), app.taken.filter(isMine));
  const past = delays.filter(({ at }) => at < end);
  const last = past.reduce((latest, { arrivedAt }) => Math.max(latest, arrivedAt ?? Number.POSITIVE_INFINITY), end);
  const beside = poison === undefined ? delaysOf(posts, other.taken) : delays;
  const report: OutageReport = {
    name: outage.name,
    events: posts.length,
    spent: most(({ spent }) => spent),
    attempts: most(({ attempts }) => attempts),
    probes: db.prepare<[], { count: number }>(PROBES).get()!.count,
    recovered: Number.isFinite(last) ? last - end : null,
    peak: app.peak,
    longest: db.prepare<[], { ms: number }>(LONGEST).get()!.ms,
    others: Math.max(...beside.map(({ at, arrivedAt }) => (arrivedAt ?? Number.POSITIVE_INFINITY) - at)),
    outOfOrder: outOfOrder(app.taken.filter(isMine)),
    lost: delays.filter(({ arrivedAt }) => arrivedAt === null).length,
    dead: rows.filter(({ state }) => state === "dead").length,
    logged: logged(),
    problems: [],
  };
  const { recovered, peak, longest, others, lost, dead } = report;
  const { within, ratePerSecond } = outage;
  // What a rate holds back takes its time, and the more of it there is the longer.
  const latest = within + (ratePerSecond === undefined ? 0 : (report.events / ratePerSecond) * 1_000);
  const unsettled = db.prepare<[], { count: number }>(UNSETTLED).get()!.count;
  const rules: [boolean, string][] = [
    [lost > 0, `${lost} events were not delivered`],
    [dead > 0, `${dead} deliveries are dead`],
    [report.outOfOrder > 0, `${report.outOfOrder} events came after a later one of their video`],
    [recovered === null || recovered > latest, `all was delivered ${recovered} ms after the trouble`],
    [peak > CONCURRENCY, `${peak} requests were under way at once`],
    [app.tooMany > 0, `${app.tooMany} requests were more than the breaker allows`],
    [longest > TIMEOUT, `an attempt took ${longest} ms`],
    [others > AT_ONCE, `another endpoint, or video, waited ${others} ms`],
    [report.logged > outage.lasts / MINUTE + MORE_LINES, `${report.logged} warnings are in the log`],
    [unsettled > 0, `${unsettled} deliveries have not ended`],
    [rows.length !== posts.filter(isMine).length, `${rows.length} deliveries of ${posts.length} events`],
  ];
  return { ...report, problems: rules.flatMap(([isBroken, problem]) => (isBroken ? [problem] : [])) };
}

/** When each event came, and when it arrived first; null: never. */
function delaysOf(posts: Post[], taken: Taken[]): { at: number; arrivedAt: number | null }[] {
  const arrivals = new Map<string, number>();
  for (const { videoId, sequence, at } of taken) {
    const name = `${videoId} ${sequence}`;
    if (!arrivals.has(name)) arrivals.set(name, at);
  }
  const counts = new Map<string, number>();
  return posts.map(({ at, videoId }) => {
    const sequence = (counts.get(videoId) ?? 0) + 1;
    counts.set(videoId, sequence);
    return { at, arrivedAt: arrivals.get(`${videoId} ${sequence}`) ?? null };
  });
}

/** How many came after a later one of their video. */
function outOfOrder(taken: Taken[]): number {
  const last = new Map<string, number>();
  return taken.filter(({ videoId, sequence }) => {
    const before = last.get(videoId) ?? 0;
    last.set(videoId, Math.max(before, sequence));
    return sequence < before;
  }).length;
}
