import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Conditions, chooseParts } from "../bench.ts";
import { type Arrivals, listenForArrivals, postOneByOne, type Times } from "../load/arrivals.ts";
import { bodyTemplate, fillBody, spreadId } from "../load/bodies.ts";
import { median, quantile, type Row, type Side } from "../measure.ts";
import { type Child, startChild } from "../processes.ts";
import type { Seen } from "../servers/app.ts";
import { benchConfig, SECRET, startRelay } from "../start-relay.ts";
import { emptySide, rowOf, takeTurns } from "../turns.ts";
import type { Version } from "../versions.ts";
import { runBare, storeEvents } from "./deliver.ts";
import { benchOutageDrain } from "./drain-outage.ts";

/** What the bare loop posts, to see its rate; and so many seconds of a quarter of that rate are the backlog, beside the warm-up. */
const BARE = 5_000;
const SPARE = 5;

const CONCURRENCY = 32;
const WARM_UP = 100;

/** A type that the relay only passes on; the endpoint with the backlog does not take it. */
const PROBE = "bench.probe";

/** All that one version is measured by. A quiet side is of the same relay without a backlog. */
type Entry = {
  version: Version;
  answered: Required<Side>;
  arrived: Required<Side>;
  quiet: { answered: Required<Side>; arrived: Required<Side> };
  drained: Side;
  allowed: Side;
};

/** `held`: a backlog drains at a rate that the endpoint is held to. `outage`: as fast as it can, once its app is back. */
export const benchDrain: Bench = async (conditions) => {
  const parts = chooseParts(conditions, ["held", "outage"]);
  const app = await startChild<{ url: string }>("app.ts", {});
  try {
    return [
      ...(parts.includes("held") ? await benchHeldDrain(conditions, app) : []),
      ...(parts.includes("outage") ? await benchOutageDrain(conditions, app, () => measureBare(app, conditions)) : []),
    ];
  } finally {
    await app.stop();
  }
};

/**
 * What a backlog does to others: one endpoint's is delivered, held by its `ratePerSecond` to a quarter of the bare loop's
 * rate, so that processors are left. Meanwhile one event after the other goes to another endpoint.
 */
async function benchHeldDrain(conditions: Conditions, app: Child<{ url: string }>): Promise<Row[]> {
  const entries = conditions.versions.map((version): Entry => {
    const quiet = { answered: emptySide(), arrived: emptySide() };
    return {
      version,
      answered: emptySide(),
      arrived: emptySide(),
      quiet,
      drained: { values: [] },
      allowed: { values: [] },
    };
  });
  const probes = await listenForArrivals();
  try {
    const rate = Math.floor((await measureBare(app, conditions)) / 4);
    conditions.say(`drain: ${rate}/s are a quarter of the bare loop's rate`);
    await takeTurns(
      conditions.rounds,
      entries.flatMap((entry) => [
        { measure: (round: number) => measureQuiet(entry, app, probes, conditions, round) },
        { measure: (round: number) => measureDrain(entry, rate, app, probes, conditions, round) },
      ]),
    );
  } finally {
    probes.close();
  }
  return rowsOf(entries);
}

function rowsOf(entries: Entry[]): Row[] {
  const tail = (side: Side): Side => ({ ...side, values: side.p99! });
  const row = (what: string, pick: (sides: Entry["quiet"]) => Side): Row =>
    rowOf(
      {
        figure: `${what}, p99, while another endpoint's backlog drains`,
        unit: "ms",
        wanted: null,
        note: "baseline: the same relay without a backlog",
      },
      entries.map((entry) => ({ version: entry.version, side: tail(pick(entry)), baseline: tail(pick(entry.quiet)) })),
    );
  return [
    row("POST to 200", ({ answered }) => answered),
    row("POST to arrival", ({ arrived }) => arrived),
    rowOf(
      {
        figure: "drain meanwhile",
        unit: "events/s",
        wanted: null,
        note: "baseline: its ratePerSecond, a quarter of the bare loop's rate",
      },
      entries.map(({ version, drained, allowed }) => ({ version, side: drained, baseline: allowed })),
    ),
  ];
}

async function measureBare(app: Child<{ url: string }>, { folder, small }: Conditions): Promise<number> {
  const events = small ? BARE / 10 : BARE;
  const file = join(folder(), "bodies.json");
  const template = bodyTemplate();
  writeFileSync(file, JSON.stringify(Array.from({ length: events }, (_, at) => fillBody(template, spreadId(0, at)))));
  const { took } = await runBare(app, file, events);
  await app.ask("forget");
  return events / (took / 1000);
}

async function measureQuiet(
  { version, quiet }: Entry,
  app: Child<{ url: string }>,
  probes: Arrivals,
  conditions: Conditions,
  round: number,
): Promise<void> {
  const dir = conditions.folder();
  try {
    const times = await runProbes(dir, version, { rate: 1, app, probes }, conditions, round);
    record(quiet, times);
    say(conditions, `round ${round}, ${version.name}, no backlog`, quiet);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function measureDrain(
  entry: Entry,
  rate: number,
  app: Child<{ url: string }>,
  probes: Arrivals,
  conditions: Conditions,
  round: number,
): Promise<void> {
  const { version } = entry;
  const dir = conditions.folder();
  const backlog = rate * (conditions.seconds + SPARE);
  try {
    await storeEvents(dir, configOf(rate, app, probes), backlog, version);
    const times = await runProbes(dir, version, { rate, app, probes }, conditions, round);
    const { count } = await app.ask<Seen>("seen");
    if (count >= backlog) throw new Error("the backlog was drained before the probes had ended");
    record(entry, times);
    entry.drained.values.push(times.drained);
    entry.allowed.values.push(rate);
    say(conditions, `round ${round}, ${version.name}, ${Math.round(times.drained)}/s drained`, entry);
  } finally {
    await app.ask("forget");
    rmSync(dir, { recursive: true });
  }
}

function configOf(rate: number, app: Child<{ url: string }>, probes: Arrivals) {
  return benchConfig({
    mirror: { enabled: false },
    endpoints: [
      {
        id: "app",
        url: app.ready.url,
        secret: SECRET,
        events: ["video.ready"],
        concurrency: CONCURRENCY,
        ratePerSecond: rate,
      },
      { id: "probe", url: probes.url, secret: SECRET, events: [PROBE] },
    ],
  });
}

/** Events of the other endpoint, one after the other, for the conditions' seconds. */
async function runProbes(
  dir: string,
  version: Version,
  { rate, app, probes }: { rate: number; app: Child<{ url: string }>; probes: Arrivals },
  { seconds }: Conditions,
  round: number,
): Promise<Times & { drained: number }> {
  const template = bodyTemplate().replace("video.ready", PROBE);
  const relay = await startRelay(dir, configOf(rate, app, probes), { workers: true, version });
  try {
    const post = (events: number, first: number, until?: () => boolean) =>
      postOneByOne(relay.ready.url, probes, {
        warmUp: 0,
        events,
        body: (count) => fillBody(template, spreadId(round, first + count)),
        until,
      });
    await post(WARM_UP, 0);
    const count = async () => (await app.ask<Seen>("seen")).count;
    const [before, begun] = [await count(), performance.now()];
    const times = await post(Number.POSITIVE_INFINITY, WARM_UP, () => performance.now() - begun > seconds * 1000);
    return { ...times, drained: ((await count()) - before) / ((performance.now() - begun) / 1000) };
  } finally {
    await relay.stop();
  }
}

function record(sides: Entry["quiet"], times: Times): void {
  for (const what of ["answered", "arrived"] as const) {
    sides[what].p50.push(median(times[what]));
    sides[what].p99.push(quantile(times[what], 0.99));
  }
}

function say(conditions: Conditions, what: string, { answered, arrived }: Entry["quiet"]): void {
  const [ack, arrival] = [answered, arrived].map(({ p99 }) => p99.at(-1)!.toFixed(1));
  conditions.say(`drain: ${what}, p99 of POST to 200 ${ack} ms, to arrival ${arrival} ms`);
}
