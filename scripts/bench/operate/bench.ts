import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { databaseOf } from "../../../src/store/backup.ts";
import type { Page, Store } from "../../../src/store/store.ts";
import { type Bench, chooseParts } from "../bench.ts";
import { median, quantile, type Row } from "../measure.ts";
import { openBenchStore } from "../seed.ts";
import { SECRET } from "../start-relay.ts";
import { fill } from "./fill.ts";
import { measurePages } from "./pages.ts";
import { measureServed } from "./served.ts";

// What an operator asks of a database of years: each list, filter, count and search, from the newest page and from anywhere.

const ASKS = 100;
const LIMIT = 50;
/** Milliseconds. */
const ATMOST = 20;

type Ask = (store: Store, page: Page) => Promise<unknown>;

/** By what is asked; others add their own here. */
const QUESTIONS: Record<string, Ask> = {
  events: (store, page) => store.events(page),
  "events of a type": (store, page) => store.events({ ...page, types: ["video.ready"] }),
  "events of a rare type": (store, page) => store.events({ ...page, types: ["rare.type"] }),
  "events by pattern": (store, page) => store.events({ ...page, types: ["draft.*", "!draft.update"] }),
  "events of a context": (store, page) => store.events({ ...page, context: "page-77" }),
  "events that are dead": (store, page) => store.events({ ...page, status: "dead" }),
  "events that are dead for one": (store, page) => store.events({ ...page, status: "dead", endpoint: "archive" }),
  "events that wait": (store, page) => store.events({ ...page, status: "waiting" }),
  "events that are settled": (store, page) => store.events({ ...page, status: "settled" }),
  "events of an endpoint": (store, page) => store.events({ ...page, endpoint: "archive" }),
  "events by title": (store, page) => store.events({ ...page, q: "zoo panda" }),
  "events by a common word": (store, page) => store.events({ ...page, q: "river" }),
  deliveries: (store, page) => store.deliveries(page),
  "deliveries that are dead": (store, page) => store.deliveries({ ...page, state: "dead" }),
  "deliveries that are pending": (store, page) => store.deliveries({ ...page, state: "pending" }),
  "deliveries of an endpoint": (store, page) => store.deliveries({ ...page, endpoint: "archive" }),
  "deliveries of a state and endpoint": (store, page) =>
    store.deliveries({ ...page, state: "delivered", endpoint: "cms" }),
  "deliveries of a rare type": (store, page) => store.deliveries({ ...page, types: ["rare.type"] }),
  "deliveries by error": (store, page) => store.deliveries({ ...page, error: "HTTP 502" }),
  reasons: (store) => store.deliveryReasons({}),
  videos: (store, page) => store.videos(page),
  "videos of a state": (store, page) => store.videos({ ...page, state: "deleted" }),
  "videos of a context": (store, page) => store.videos({ ...page, context: "page-77" }),
  "videos by title": (store, page) => store.videos({ ...page, q: "zoo panda" }),
  "videos by a common word": (store, page) => store.videos({ ...page, q: "river" }),
  media: (store, page) => store.media(page),
  "media that failed": (store, page) => store.media({ ...page, state: "failed" }),
  films: (store, page) => store.media({ ...page, kind: "video" }),
  "media by deadline": (store, page) => store.media({ ...page, byDeadline: true }),
  counts: (store) => store.counts(),
  "a count of what a retry takes by error": (store) =>
    store.countMatching({ verb: "retry", filter: { error: "HTTP 502" } }, null),
  "a count of what a replay takes of a rare type": (store) =>
    store.countMatching({ verb: "replay", filter: { types: ["rare.type"] } }, null),
  "tallies of a day": (store) => store.tallies({ kind: "attempts", since: Date.now() - 86_400_000 }),
};

const ENDPOINTS = ["cms", "archive"].map((id) => ({ id, url: "http://127.0.0.1:9/", secret: SECRET }));

/** Fills a database, or takes the one of a run before, and asks it. */
export const benchOperate: Bench = async (conditions) => {
  const { keep, folder, say, small } = conditions;
  const events = small ? conditions.events / 100 : conditions.events;
  const dir = keep === null ? folder() : join(keep, `operate-${events}`);
  mkdirSync(dir, { recursive: true });
  await fill(dir, Math.ceil(events), 600, say);
  const parts = chooseParts(conditions, ["asked", "served", "pages"]);
  return [
    ...(parts.includes("asked") ? await measureAsked(dir, events, say) : []),
    ...(parts.includes("served") ? await measureServed(dir, conditions) : []),
    ...(parts.includes("pages") ? await measurePages(dir, conditions) : []),
  ];
};

async function measureAsked(dir: string, events: number, say: (text: string) => void): Promise<Row[]> {
  const begun = performance.now();
  const { store } = await openBenchStore(dir, { endpoints: ENDPOINTS });
  const opened = performance.now() - begun;
  while ((await store.indexTitles()).isMore);
  const first = (await store.events({ limit: 1 }))[0]!.receivedAt;
  const span = (events / 50_000) * 86_400_000;
  const rows: Row[] = [row("the store's opening", [opened], 2_000)];
  for (const [name, ask] of Object.entries(QUESTIONS)) {
    const took: number[] = [];
    for (let n = 0; n < ASKS; n++) {
      // The newest page, and pages that end at any time of the past.
      const page = n % 2 === 0 ? { limit: LIMIT } : { limit: LIMIT, until: Math.floor(first - span * (n / ASKS)) };
      const at = performance.now();
      await ask(store, page);
      took.push(performance.now() - at);
    }
    rows.push(row(name, took, ATMOST));
    say(`operate: ${name}, p50 ${median(took).toFixed(2)} ms, p99 ${quantile(took, 0.99).toFixed(2)} ms`);
  }
  await store.close();
  say(`operate: ${events} events, ${(statSync(databaseOf(join(dir, "data"))).size / events).toFixed(0)} bytes each`);
  return rows;
}

function row(figure: string, took: number[], atMost: number): Row {
  const p99 = quantile(took, 0.99);
  const ours = { values: [p99], p50: [median(took)], p99: [p99] };
  return { figure: `operate: ${figure}, p99`, unit: "ms", baseline: null, ours, wanted: { of: "ours", atMost } };
}
