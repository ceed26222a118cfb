import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Conditions } from "../bench.ts";
import { bodyTemplate, fillBody, spreadId } from "../load/bodies.ts";
import { median, type Row, ratioOf, type Side, type Wanted } from "../measure.ts";
import { freePort } from "../processes.ts";
import { rowOf, takeTurns } from "../turns.ts";
import type { Version } from "../versions.ts";
import { findWays, type Line, type Way } from "./programs.ts";
import { type Started, startServer, timeRun } from "./server.ts";

/** Runs of `--version` in one round; the middle one counts. */
const RUNS = 9;

/** After a start the compiler and the garbage collector are busy for a moment; milliseconds. */
const SETTLE = 5_000;

const MIB = 2 ** 20;

/** `later`: by how many milliseconds the first 200 may come later than another commit's. */
const WANTED = { version: 2, first: 150, firstRatio: 1.5, later: 10, idleCpu: 0.1, size: 110 };

/** A way of starting ours, and the same way of starting the other commits that can be gone there. */
type Contest = { way: Way; ways: { version: Version; way: Way }[] };

/**
 * How the relay starts, and what it costs while nothing happens, each way that it can be started: the binary, from source on
 * Node and on Deno. Each against a program that does nothing, and a bare server, started the same way.
 */
export const benchStart: Bench = async (conditions) => {
  const { contests, missing } = await findContests(conditions);
  for (const contest of contests) await warmUp(contest, conditions);
  const rows: Row[] = [];
  for (const contest of contests) rows.push(await measureVersion(contest, conditions));
  for (const contest of contests) rows.push(...(await measureFirst(contest, conditions)));
  rows.push(...(await measureIdle(contests, conditions)));
  for (const { way } of contests) if (way.file !== null) rows.push(measureSize(way.name, way.file));
  for (const [name, why] of Object.entries(missing)) {
    rows.push({ figure: name, unit: "", baseline: null, ours: null, wanted: null, note: `left out: ${why}` });
  }
  return rows;
};

async function findContests({ versions, folder }: Conditions) {
  const found = await Promise.all(
    versions.map(async (version) => ({ version, ...(await findWays(folder(), version)) })),
  );
  const { ways, missing } = found[0]!;
  const contests = ways.map((way): Contest => {
    const same = found.flatMap(({ version, ways }) => {
      const other = ways.find(({ name }) => name === way.name);
      return other === undefined ? [] : [{ version, way: other }];
    });
    return { way, ways: same };
  });
  return { contests, missing };
}

/** The files are in the system's cache afterwards, and what a runtime keeps from an earlier start is there. */
async function warmUp({ way, ways }: Contest, conditions: Conditions): Promise<void> {
  await timeRun(way.nothing);
  for (const { way } of ways) await timeRun(way.version);
  for (const make of [way.bare, ...ways.map(({ way }) => way.serve)]) {
    await (await start(make, conditions.folder(), 0)).stop();
  }
}

async function measureVersion({ way, ways }: Contest, { rounds, say }: Conditions): Promise<Row> {
  const { name, nothingIs } = way;
  const least = { line: way.nothing, side: { values: [] } as Side };
  const relays = ways.map(({ version, way }) => ({ version, line: way.version, side: { values: [] } as Side }));
  for (let round = 1; round <= rounds; round++) {
    const turns = [least, ...relays].map((turn) => ({ ...turn, took: [] as number[] }));
    for (let run = 0; run < RUNS; run++) for (const { line, took } of turns) took.push(await timeRun(line));
    for (const { side, took } of turns) side.values.push(median(took));
    const [nothing, ours] = turns.map(({ side }) => `${side.values.at(-1)!.toFixed(0)} ms`);
    say(`--version, ${name}: round ${round}, ${ours}, ${nothingIs} ${nothing}`);
  }
  const wanted: Wanted = { of: "ratio", atMost: WANTED.version };
  const row = rowOf(
    { figure: `--version, ${name}`, unit: "ms", wanted, note: `${name}: against ${nothingIs}` },
    relays,
  );
  return { ...row, baseline: least.side };
}

/** On a folder that the relay has used before, as at every start but one; what that one takes is measured too. */
async function measureFirst({ way, ways }: Contest, conditions: Conditions): Promise<Row[]> {
  const timesOf = (make: MakeLine, dir: () => string) => ({
    make,
    dir,
    healthy: [] as number[],
    first: [] as number[],
  });
  const bare = timesOf(way.bare, conditions.folder);
  const relays = ways.map(({ version, way }) => {
    const used = conditions.folder();
    return { version, again: timesOf(way.serve, () => used), empty: timesOf(way.serve, conditions.folder) };
  });
  for (const { again } of relays) await (await start(again.make, again.dir(), 0)).stop();
  const turn = (what: string, { make, dir, healthy, first }: ReturnType<typeof timesOf>) => ({
    async measure(round: number) {
      const started = await start(make, dir(), round);
      await started.stop();
      healthy.push(started.healthy);
      first.push(started.first);
      conditions.say(`first 200, ${way.name}: round ${round}, ${what}, ${started.first.toFixed(0)} ms`);
    },
  });
  await takeTurns(conditions.rounds, [
    turn("the bare server", bare),
    ...relays.flatMap(({ version, again, empty }) => [
      turn(version.name, again),
      turn(`${version.name} in an empty folder`, empty),
    ]),
  ]);
  const row = (figure: string, baseline: number[], which: "again" | "empty", what: "healthy" | "first"): Row => ({
    ...rowOf(
      { figure: `${figure}, ${way.name}`, unit: "ms", wanted: null },
      relays.map(({ version, [which]: times }) => ({ version, side: { values: times[what] } })),
    ),
    baseline: { values: baseline },
  });
  return [
    row("first /healthz", bare.healthy, "again", "healthy"),
    wishFirst(row("first webhook's 200", bare.first, "again", "first")),
    row("first webhook's 200, empty folder", bare.first, "empty", "first"),
  ];
}

/** Beside another commit, ours must not be later than that. */
function wishFirst(row: Row): Row {
  const [other] = row.beside ?? [];
  if (other !== undefined) {
    const before = median(other.side.values);
    const atMost = Math.ceil(((before + WANTED.later) / before) * 100) / 100;
    const note = `from the start of the process on; wanted: at most ${WANTED.later} ms later than ${other.name}`;
    return { ...row, wanted: { of: "beside", atMost }, note };
  }
  const isNear = (ratioOf(row) ?? 0) <= WANTED.firstRatio;
  return {
    ...row,
    wanted: isNear ? { of: "ratio", atMost: WANTED.firstRatio } : { of: "ours", atMost: WANTED.first },
    note: `from the start of the process on; wanted: at most ${WANTED.first} ms, or ${WANTED.firstRatio} times the bare server`,
  };
}

/** All at once, because each leaves the processors to the others. None of them has taken a webhook. */
async function measureIdle(contests: Contest[], conditions: Conditions): Promise<Row[]> {
  const { idleSeconds, say } = conditions;
  const started: Started[] = [];
  try {
    for (const { way, ways } of contests) {
      for (const make of [way.bare, ...ways.map(({ way }) => way.serve)]) {
        started.push(await start(make, conditions.folder(), null));
      }
    }
    await sleep(SETTLE);
    say(`idle: for ${idleSeconds} s`);
    const before = started.map((server) => server.usedCpu());
    const from = performance.now();
    await sleep(idleSeconds * 1000);
    const took = performance.now() - from;
    const sides = started.map((server, at) => {
      const [earlier, now] = [before[at], server.usedCpu()];
      const cpu: Side = { values: earlier == null || now === null ? [] : [((now - earlier) / took) * 100] };
      const bytes = server.memory();
      const memory: Side = { values: bytes === null ? [] : [bytes / MIB] };
      return { cpu, memory };
    });
    const note =
      sides[0]!.cpu.values.length > 0
        ? `for ${idleSeconds} s, ${SETTLE / 1000} s after the start`
        : "only Linux has it (/proc)";
    const row = (figure: string, unit: string, pick: "cpu" | "memory", wanted: Wanted | null) => {
      const left = [...sides];
      return contests.map(({ way, ways }): Row => {
        const baseline = left.shift()![pick];
        const relays = ways.map(({ version }) => ({ version, side: left.shift()![pick] }));
        return { ...rowOf({ figure: `${figure}, ${way.name}`, unit, wanted, note }, relays), baseline };
      });
    };
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

/** With a webhook of this round, or with none. */
async function start(make: MakeLine, dir: string, round: number | null): Promise<Started> {
  const port = await freePort();
  const body = round === null ? null : Buffer.from(fillBody(bodyTemplate(), spreadId(round, 0)));
  return startServer(make(port, dir), port, body);
}
