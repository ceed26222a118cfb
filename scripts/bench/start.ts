import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Conditions } from "./bench.ts";
import { bodyTemplate, fillBody, spreadId } from "./bodies.ts";
import { median, type Row, ratioOf, type Side, type Wanted } from "./measure.ts";
import { freePort } from "./processes.ts";
import { findWays, type Line, type Way } from "./start-programs.ts";
import { type Started, startServer, timeRun } from "./start-server.ts";

/** Runs of `--version` in one round; the middle one counts. */
const RUNS = 9;

/** After a start the compiler and the garbage collector are busy for a moment; milliseconds. */
const SETTLE = 5_000;

const MIB = 2 ** 20;
const WANTED = { version: 2, first: 150, firstRatio: 1.5, idleCpu: 0.1, size: 110 };

/**
 * How the relay starts, and what it costs while nothing happens, each way that it can be started: the binary, from source on
 * Node and on Deno. Each against a program that does nothing, and a bare server, started the same way.
 */
export const benchStart: Bench = async (conditions) => {
  const { ways, missing } = await findWays(conditions.folder());
  for (const way of ways) await warmUp(way, conditions);
  const rows: Row[] = [];
  for (const way of ways) rows.push(await measureVersion(way, conditions));
  for (const way of ways) rows.push(...(await measureFirst(way, conditions)));
  rows.push(...(await measureIdle(ways, conditions)));
  for (const { name, file } of ways) if (file !== null) rows.push(measureSize(name, file));
  for (const [name, why] of Object.entries(missing)) {
    rows.push({ figure: name, unit: "", baseline: null, ours: null, wanted: null, note: `left out: ${why}` });
  }
  return rows;
};

/** The files are in the system's cache afterwards, and what a runtime keeps from an earlier start is there. */
async function warmUp(way: Way, conditions: Conditions): Promise<void> {
  for (const line of [way.version, way.nothing]) await timeRun(line);
  for (const side of serversOf(way)) {
    await (await start(side, conditions.folder(), 0)).stop();
  }
}

async function measureVersion({ name, version, nothing, nothingIs }: Way, { rounds, say }: Conditions): Promise<Row> {
  const baseline: Side = { values: [] };
  const ours: Side = { values: [] };
  for (let round = 1; round <= rounds; round++) {
    const took = { nothing: [] as number[], version: [] as number[] };
    for (let run = 0; run < RUNS; run++) {
      took.nothing.push(await timeRun(nothing));
      took.version.push(await timeRun(version));
    }
    baseline.values.push(median(took.nothing));
    ours.values.push(median(took.version));
    say(
      `--version, ${name}: round ${round}, ${ours.values.at(-1)!.toFixed(0)} ms, ${nothingIs} ${baseline.values.at(-1)!.toFixed(0)} ms`,
    );
  }
  const wanted: Wanted = { of: "ratio", atMost: WANTED.version };
  return { figure: `--version, ${name}`, unit: "ms", baseline, ours, wanted, note: `${name}: against ${nothingIs}` };
}

/** On a folder that the relay has used before, as at every start but one; what that one takes is told too. */
async function measureFirst(way: Way, conditions: Conditions): Promise<Row[]> {
  const used = conditions.folder();
  const sides = [
    { make: way.bare, dir: () => used },
    { make: way.serve, dir: () => used },
    { make: way.serve, dir: conditions.folder },
  ].map((side) => ({ ...side, healthy: [] as number[], first: [] as number[] }));
  await (await start(way.serve, used, 0)).stop();
  for (let round = 1; round <= conditions.rounds; round++) {
    for (const { make, dir, healthy, first } of sides) {
      const started = await start(make, dir(), round);
      await started.stop();
      healthy.push(started.healthy);
      first.push(started.first);
    }
    const [bare, relay, empty] = sides.map(({ first }) => `${first.at(-1)!.toFixed(0)} ms`);
    conditions.say(
      `first 200, ${way.name}: round ${round}, ${relay}, at the very first start ${empty}, the bare server ${bare}`,
    );
  }
  const [bare, relay, empty] = sides as [(typeof sides)[0], (typeof sides)[0], (typeof sides)[0]];
  const row = (figure: string, baseline: number[], ours: number[]): Row => ({
    figure: `${figure}, ${way.name}`,
    unit: "ms",
    baseline: { values: baseline },
    ours: { values: ours },
    wanted: null,
  });
  const first = row("first webhook's 200", bare.first, relay.first);
  const isNear = (ratioOf(first) ?? 0) <= WANTED.firstRatio;
  return [
    row("first /healthz", bare.healthy, relay.healthy),
    {
      ...first,
      wanted: isNear ? { of: "ratio", atMost: WANTED.firstRatio } : { of: "ours", atMost: WANTED.first },
      note: `from the start of the process on; wanted: at most ${WANTED.first} ms, or ${WANTED.firstRatio} times the bare server`,
    },
    row("first webhook's 200, empty folder", bare.first, empty.first),
  ];
}

/** All at once, because each leaves the processors to the others. None of them has taken a webhook. */
async function measureIdle(ways: Way[], conditions: Conditions): Promise<Row[]> {
  const { idleSeconds, say } = conditions;
  const started: Started[] = [];
  try {
    for (const side of ways.flatMap(serversOf)) started.push(await start(side, conditions.folder(), null));
    await sleep(SETTLE);
    say(`idle: for ${idleSeconds} s`);
    const before = started.map((server) => server.usedCpu());
    const from = performance.now();
    await sleep(idleSeconds * 1000);
    const took = performance.now() - from;
    const sides = started.map((server, at) => {
      const [earlier, now] = [before[at], server.usedCpu()];
      const cpu: Side | null = earlier == null || now === null ? null : { values: [((now - earlier) / took) * 100] };
      const bytes = server.memory();
      const memory: Side | null = bytes === null ? null : { values: [bytes / MIB] };
      return { cpu, memory };
    });
    const note = sides[0]?.cpu
      ? `for ${idleSeconds} s, ${SETTLE / 1000} s after the start`
      : "only Linux tells (/proc)";
    const row = (figure: string, unit: string, pick: "cpu" | "memory", wanted: Wanted | null) =>
      ways.map(({ name }, at): Row => {
        const [baseline, ours] = [sides[2 * at]![pick], sides[2 * at + 1]![pick]];
        return { figure: `${figure}, ${name}`, unit, baseline, ours, wanted, note };
      });
    return [
      ...row("idle RSS", "MiB", "memory", null),
      ...row("idle CPU", "%", "cpu", { of: "ours", atMost: WANTED.idleCpu }),
    ];
  } finally {
    await Promise.all(started.map((server) => server.stop()));
  }
}

function measureSize(name: string, file: string): Row {
  const ours = { values: [statSync(file).size / MIB] };
  return { figure: `size, ${name}`, unit: "MiB", baseline: null, ours, wanted: { of: "ours", atMost: WANTED.size } };
}

type MakeLine = (port: number, dir: string) => Line;

function serversOf(way: Way): [MakeLine, MakeLine] {
  return [way.bare, way.serve];
}

/** With a webhook of this round, or with none. */
async function start(make: MakeLine, dir: string, round: number | null): Promise<Started> {
  const port = await freePort();
  const body = round === null ? null : Buffer.from(fillBody(bodyTemplate(), spreadId(round, 0)));
  return startServer(make(port, dir), port, body);
}
