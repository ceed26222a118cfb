import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Bench, Conditions } from "./bench.ts";
import { benchCluster } from "./cluster/bench.ts";
import { describeMachine } from "./machine.ts";
import type { Row } from "./measure.ts";
import { benchMirror } from "./mirror/bench.ts";
import { benchOperate } from "./operate/bench.ts";
import { benchPeers } from "./peers/bench.ts";
import { killChildren } from "./processes.ts";
import { benchDeliver } from "./runs/deliver.ts";
import { benchDrain } from "./runs/drain.ts";
import { benchFairness } from "./runs/fairness.ts";
import { benchGrowth } from "./runs/growth.ts";
import { benchIngest } from "./runs/ingest.ts";
import { benchLatency } from "./runs/latency.ts";
import { benchShare } from "./runs/share.ts";
import { benchStall } from "./runs/stall.ts";
import { benchStart } from "./start/bench.ts";
import { showJson, showTable } from "./table.ts";
import { describeVersions, findVersions, OURS } from "./versions.ts";

/** `npm run bench [-- NAME…]`: runs baseline and relay in turn and prints one table. */

const benches: Record<string, Bench> = {
  ingest: benchIngest,
  share: benchShare,
  deliver: benchDeliver,
  drain: benchDrain,
  fairness: benchFairness,
  latency: benchLatency,
  stall: benchStall,
  mirror: benchMirror,
  growth: benchGrowth,
  start: benchStart,
  cluster: benchCluster,
  operate: benchOperate,
  peers: benchPeers,
};

/** They need a large disk, a PostgreSQL, or packages of their own, so they run only when they are named. */
const BY_NAME = ["cluster", "operate", "peers"];

/** The benches that have parts. */
const PARTS: Record<string, string> = {
  ingest: "bare, 64, 256, slow, busy",
  drain: "held, outage",
  growth: "claims, ordered, random",
  mirror: "disk, s3",
  cluster: "insert, idle",
  operate: "asked, served, pages",
  peers: "bullmq, pgboss, plainjob",
};

const USAGE = `npm run bench [-- NAME… --rounds N --seconds N --beside DIR --small --only PARTS --profile DIR --json]

  NAME          ${Object.keys(benches).join(", ")};
                all of them unless named, but ${BY_NAME.join(", ")}
  --rounds N    how often baseline and relay take turns (5)
  --beside DIR  a checkout of another commit, its packages installed, that takes its turn in each round (but of mirror);
                more than one may be given
  --seconds N   how long each stretch of load lasts (5); of start: how long the idle ones are watched (60)
  --small       a hundredth of the size where size takes long: to try it, not to measure
  --only PARTS  of one bench, with commas: ${Object.entries(PARTS)
    .map(([name, parts]) => `${name}: ${parts}`)
    .join("; ")}
  --profile DIR mirror leaves a CPU profile of each relay there, and shows what took longest; it slows the relay down
  --events N    of operate: how many its database holds (1000000)
  --keep DIR    of operate: leaves the filled database there, and takes it the next time
  --json        one JSON object a line, with the values of every round

It writes to ${tmpdir()}, or to $TMPDIR: the disk there is part of what is measured.`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string" },
      beside: { type: "string", multiple: true, default: [] },
      small: { type: "boolean", default: false },
      only: { type: "string" },
      profile: { type: "string" },
      events: { type: "string", default: "1000000" },
      keep: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const unknown = positionals.find((name) => !Object.hasOwn(benches, name));
  if (unknown !== undefined) throw new Error(`there is no bench "${unknown}"\n${USAGE}`);
  if (values.only !== undefined && !Object.hasOwn(PARTS, positionals.join())) {
    throw new Error(`--only is for one of ${Object.keys(PARTS).join(", ")}: npm run bench -- mirror --only s3`);
  }
  if (values.profile !== undefined && positionals.join() !== "mirror") {
    throw new Error("--profile is for mirror: npm run bench -- mirror --profile profiles");
  }
  const versions = [OURS, ...findVersions(values.beside)];

  const root = mkdtempSync(join(tmpdir(), "wochit-relay-bench-"));
  const remove = () => rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, () => {
      killChildren();
      remove();
      process.exit(code);
    });
  }
  let folders = 0;
  const conditions: Conditions = {
    versions,
    rounds: readCount("rounds", values.rounds),
    seconds: readCount("seconds", values.seconds ?? "5"),
    idleSeconds: readCount("seconds", values.seconds ?? "60"),
    small: values.small,
    only: values.only?.split(",") ?? null,
    profile: values.profile === undefined ? null : resolve(values.profile),
    events: readCount("events", values.events),
    keep: values.keep === undefined ? null : resolve(values.keep),
    folder: () => mkdtempSync(join(root, `${++folders}-`)),
    say: (text) => console.error(text),
  };
  const rows: Row[] = [];
  let machine = "";
  try {
    machine = `${await describeMachine(root)}\n${await describeVersions(versions)}`;
    conditions.say(machine);
    const all = Object.keys(benches).filter((name) => !BY_NAME.includes(name));
    for (const name of positionals.length > 0 ? positionals : all) {
      rows.push(...(await run(name, conditions)));
    }
  } finally {
    killChildren();
    remove();
  }
  console.log(values.json ? showJson(rows) : `${showTable(rows)}\n${machine}`);
}

/** A bench that breaks takes no other along; the table says what happened. */
async function run(name: string, conditions: Conditions): Promise<Row[]> {
  try {
    return await benches[name]!(conditions);
  } catch (error) {
    process.exitCode = 1;
    const note = `broke: ${error instanceof Error ? error.message : error}`;
    conditions.say(`${name} ${note}`);
    return [{ figure: name, unit: "", baseline: null, ours: null, wanted: null, note }];
  }
}

function readCount(name: string, given: string): number {
  const count = Number(given);
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`--${name} must be a whole number from 1 on, not ${given}`);
  return count;
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
