import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Conditions } from "../bench.ts";
import { type Arrivals, listenForArrivals, postOneByOne, type Times } from "../load/arrivals.ts";
import { bodyTemplate, fillBody, spreadId } from "../load/bodies.ts";
import { quantile, type Row, type Side } from "../measure.ts";
import type { Child } from "../processes.ts";
import type { Seen } from "../servers/app.ts";
import { benchConfig, SECRET, startRelay } from "../start-relay.ts";
import { rowOf, takeTurns } from "../turns.ts";
import type { Version } from "../versions.ts";
import { storeEvents, untilSeen } from "./deliver.ts";

/** What waits when the app is back, and how many of it may be under way then. */
const BACKLOG = 50_000;
const CONCURRENCY = 32;

const WARM_UP = 10;

/** A type that the relay only passes on; the endpoint with the backlog does not take it. */
const PROBE = "bench.probe";

/** Requests that broke until a breaker is open, and for how long none more has come then, in milliseconds. */
const OPENS_AT = 10;
const CALM = 2_000;

type App = Child<{ url: string }>;

type Entry = {
  version: Version;
  rate: Side;
  answered: Side;
  arrived: Side;
  quiet: { answered: Side; arrived: Side };
  beyond: Side;
};

const side = (): Side => ({ values: [] });

/**
 * An app that was away is back: its backlog drains as fast as it can, from one at a time. Meanwhile one event after the other
 * goes to another endpoint. `measureBare`: the rate of a loop that only signs and posts, in events a second.
 */
export async function benchOutageDrain(
  conditions: Conditions,
  app: App,
  measureBare: () => Promise<number>,
): Promise<Row[]> {
  const entries = conditions.versions.map(
    (version): Entry => ({
      version,
      rate: side(),
      answered: side(),
      arrived: side(),
      quiet: { answered: side(), arrived: side() },
      beyond: side(),
    }),
  );
  const bare = side();
  const probes = await listenForArrivals();
  try {
    await takeTurns(conditions.rounds, [
      {
        async measure() {
          bare.values.push(await measureBare());
        },
      },
      ...entries.flatMap((entry) => [
        { measure: (round: number) => measureQuiet(entry, app, probes, conditions, round) },
        { measure: (round: number) => measureDrain(entry, app, probes, conditions, round) },
      ]),
    ]);
  } finally {
    probes.close();
  }
  const sides = (pick: (entry: Entry) => Side, baseline?: (entry: Entry) => Side) =>
    entries.map((entry) => ({
      version: entry.version,
      side: pick(entry),
      ...(baseline && { baseline: baseline(entry) }),
    }));
  const quiet = "baseline: the same relay without a backlog";
  return [
    {
      ...rowOf(
        {
          figure: `drain of ${sizeOf(conditions)} after an outage`,
          unit: "events/s",
          wanted: { of: "ratio", atLeast: 0.5 },
          note: "baseline: a loop that signs and posts, and stores nothing",
        },
        sides(({ rate }) => rate),
      ),
      baseline: bare,
    },
    rowOf(
      { figure: "POST to 200, p99, after an outage", unit: "ms", wanted: null, note: quiet },
      sides(
        ({ answered }) => answered,
        (entry) => entry.quiet.answered,
      ),
    ),
    rowOf(
      {
        figure: "POST to arrival at another endpoint, p99, after an outage",
        unit: "ms",
        wanted: { of: "ratio", atMost: 2 },
        note: quiet,
      },
      sides(
        ({ arrived }) => arrived,
        (entry) => entry.quiet.arrived,
      ),
    ),
    rowOf(
      { figure: "requests beyond the ramp", unit: "", wanted: { of: "ours", atMost: 0 } },
      sides(({ beyond }) => beyond),
    ),
  ];
}

const sizeOf = ({ small }: Conditions) => (small ? BACKLOG / 50 : BACKLOG);

function configOf(app: App, probes: Arrivals) {
  return benchConfig({
    mirror: { enabled: false },
    endpoints: [
      { id: "app", url: app.ready.url, secret: SECRET, events: ["video.ready"], concurrency: CONCURRENCY },
      { id: "probe", url: probes.url, secret: SECRET, events: [PROBE] },
    ],
  });
}

async function measureQuiet(entry: Entry, app: App, probes: Arrivals, conditions: Conditions, round: number) {
  const dir = conditions.folder();
  const relay = await startRelay(dir, configOf(app, probes), { workers: true, version: entry.version });
  try {
    const begun = performance.now();
    const isOver = () => performance.now() - begun > conditions.seconds * 1_000;
    record(entry.quiet, await post(relay.ready.url, probes, round, isOver));
  } finally {
    await relay.stop();
    rmSync(dir, { recursive: true });
  }
}

async function measureDrain(entry: Entry, app: App, probes: Arrivals, conditions: Conditions, round: number) {
  const dir = conditions.folder();
  const events = sizeOf(conditions);
  const config = configOf(app, probes);
  try {
    await storeEvents(dir, config, events, entry.version);
    await app.ask("away");
    const relay = await startRelay(dir, config, { workers: true, version: entry.version });
    try {
      await untilOpen(app);
      await app.ask("back");
      let isOver = false;
      while ((await app.ask<Seen>("seen")).count === 0) await sleep(5);
      const drained = untilSeen(app, events).finally(() => {
        isOver = true;
      });
      const [times, seen] = await Promise.all([post(relay.ready.url, probes, round, () => isOver), drained]);
      entry.rate.values.push(events / ((seen.last - seen.first) / 1_000));
      record(entry, times);
      const flights = await app.ask<number[]>("flights");
      entry.beyond.values.push(beyondRamp(flights));
      conditions.say(
        `drain: round ${round}, ${entry.version.name}, ${Math.round(entry.rate.values.at(-1)!)}/s after an outage, under way ${flights.slice(0, 12).join()} … ${Math.max(...flights)}, ${times.arrived.length} events to another endpoint`,
      );
    } finally {
      await relay.stop();
    }
  } finally {
    await app.ask("forget");
    rmSync(dir, { recursive: true });
  }
}

/** Its breaker is open: many requests broke, and no more come. */
async function untilOpen(app: App): Promise<void> {
  for (let before = -1; ; await sleep(CALM)) {
    const broken = await app.ask<number>("broken");
    if (broken >= OPENS_AT && broken === before) return;
    before = broken;
  }
}

/** Requests that came while as many were under way as the successes before them allow: one at first, then twice as many with each. */
function beyondRamp(flights: number[]): number {
  // The probe is the first. As each comes, all before it that are not under way have been answered.
  return flights.filter((flight, at) => {
    const successes = at - (flight - 1);
    return flight > Math.min(CONCURRENCY, 2 ** Math.max(0, successes - 1));
  }).length;
}

function post(url: string, probes: Arrivals, round: number, until: () => boolean): Promise<Times> {
  const template = bodyTemplate().replace("video.ready", PROBE);
  return postOneByOne(url, probes, {
    warmUp: WARM_UP,
    events: Number.POSITIVE_INFINITY,
    body: (count) => fillBody(template, spreadId(round, count)),
    until,
  });
}

function record(sides: Entry["quiet"], times: Times): void {
  for (const what of ["answered", "arrived"] as const) sides[what].values.push(quantile(times[what], 0.99));
}
