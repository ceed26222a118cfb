import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import type { Conditions } from "../bench.ts";
import { writeTemplate } from "../load/bodies.ts";
import { needWrk, postEvents } from "../load/wrk.ts";
import { quantile, type Row, tailRow } from "../measure.ts";
import { emptySide, takeTurns } from "../turns.ts";
import { startOver, TOKEN } from "./over.ts";

// A relay over a database of years: its start, its status, and events that come in while its API is asked.

const CONNECTIONS = 64;
const WARM_UP = 2;
const EVERY = 1_000;
const ASKS = 20;

/** Milliseconds; and what may be lost of the events while it is asked, and how much longer their p99 may be. */
const WANTED = { start: 2_000, status: 100, ratio: 0.95, tail: 1.3 };

/** What a dashboard and a monitor ask for each second. */
const PATHS = [
  "/api/v1/status",
  "/api/v1/events?limit=50",
  "/api/v1/events?limit=50&status=dead",
  "/api/v1/events?limit=50&q=zoo%20panda",
  "/api/v1/deliveries?limit=50&state=dead",
  "/api/v1/deliveries/reasons",
  "/api/v1/endpoints",
  "/api/v1/videos?limit=50&state=ready",
  "/api/v1/media?limit=50&by=deadline",
  "/metrics",
];

export async function measureServed(dir: string, { rounds, seconds, say }: Conditions): Promise<Row[]> {
  await needWrk();
  const template = join(dir, "template");
  writeTemplate(template);
  const [alone, asked] = [emptySide(), emptySide()];
  const [starts, firsts, statuses, answers]: number[][] = [[], [], [], []];
  for (let round = 1; round <= rounds; round++) {
    const { relay, base, took } = await startOver(dir);
    starts!.push(took);
    try {
      firsts!.push(await ask(`${base}/api/v1/status`));
      for (let n = 0; n < ASKS; n++) statuses!.push(await ask(`${base}/api/v1/status`));
      const post = (duration: number) =>
        postEvents(relay.ready.url, { connections: CONNECTIONS, seconds: duration, template });
      await post(WARM_UP);
      const stretch = (name: string, side: typeof alone, run: typeof post) => ({
        async measure() {
          const { perSecond, p50, p99 } = await run(seconds);
          side.values.push(perSecond);
          side.p50.push(p50);
          side.p99.push(p99);
          say(`operate: round ${round}, ${name}, ${Math.round(perSecond)} events/s, p99 ${p99.toFixed(1)} ms`);
        },
      });
      const turns = [
        stretch("not asked", alone, post),
        stretch("asked each second", asked, async (duration) => {
          const poll = startAsking(base);
          const load = await post(duration);
          answers!.push(...(await poll.stop()));
          return load;
        }),
      ];
      await takeTurns(1, round % 2 === 0 ? turns.reverse() : turns);
    } finally {
      await relay.stop();
    }
  }
  const note = `each second ${PATHS.length} requests: pages of lists, a search, the status, a scrape`;
  const row: Row = {
    ...{ figure: "operate: ingest while it is asked", unit: "events/s", baseline: alone, ours: asked, note },
    wanted: { of: "ratio", atLeast: WANTED.ratio },
  };
  return [
    single("a relay's start", starts!, WANTED.start),
    single("the first status after a start", firsts!, null),
    single("status, p99", [quantile(statuses!, 0.99)], WANTED.status),
    row,
    tailRow(row, WANTED.tail),
    single("an answer while events come in, p99", [quantile(answers!, 0.99)], null),
  ];
}

function single(figure: string, values: number[], atMost: number | null): Row {
  const wanted = atMost === null ? null : ({ of: "ours", atMost } as const);
  return { figure: `operate: ${figure}`, unit: "ms", baseline: null, ours: { values }, wanted };
}

/** Milliseconds until all of the answer was there. */
async function ask(url: string): Promise<number> {
  const begun = performance.now();
  const { statusCode, body } = await request(url, { headers: { authorization: `Bearer ${TOKEN}` } });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`GET ${url} is answered ${statusCode}: ${text.slice(0, 200)}`);
  return performance.now() - begun;
}

function startAsking(base: string): { stop(): Promise<number[]> } {
  const took: number[] = [];
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      const next = performance.now() + EVERY;
      for (const path of PATHS) took.push(await ask(base + path));
      await sleep(Math.max(0, next - performance.now()));
    }
  })();
  // A failure is reported by `stop`.
  asking.catch(() => {});
  return {
    async stop() {
      isOver = true;
      await asking;
      return took;
    },
  };
}
