import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { type PostgresServer, startPostgres } from "../../../test/support/postgres.ts";
import { type Bench, type Conditions, chooseParts } from "../bench.ts";
import { type Intake, measureIngest } from "../load/ingest.ts";
import { needWrk } from "../load/wrk.ts";
import { type Row, type Side, tailRow } from "../measure.ts";
import { startChild } from "../processes.ts";
import type { InsertSettings } from "../servers/insert-receiver.ts";
import { benchConfig, SECRET, startRelay } from "../start-relay.ts";
import { emptySide, rowOf, takeTurns } from "../turns.ts";

/** Connections of the load, and of the receiver that inserts each event by itself. */
const CONNECTIONS = 64;
const POOL = 16;

/** After a start there is some work; milliseconds. */
const SETTLE = 15_000;

const WANTED = { rate: 0.6, tail: 2.5, statements: 3, cpu: 1 };

/** A relay on PostgreSQL, on a server of the bench's own that syncs what it commits. */
export const benchCluster: Bench = async (conditions) => {
  await needWrk();
  // What is asked is counted there.
  const settings = { shared_preload_libraries: "pg_stat_statements", shared_buffers: "256MB", max_wal_size: "2GB" };
  const server = await startPostgres(null, { syncs: true, settings });
  try {
    const rows: Row[] = [];
    for (const part of chooseParts(conditions, Object.keys(parts)))
      rows.push(...(await parts[part]!(server, conditions)));
    return rows;
  } finally {
    await server.remove();
  }
};

const parts: Record<string, (server: PostgresServer, conditions: Conditions) => Promise<Row[]>> = {
  insert: compareIngest,
  idle: measureIdle,
};

/** Against a receiver that inserts a row in each request. */
async function compareIngest(server: PostgresServer, conditions: Conditions): Promise<Row[]> {
  const figure = `ingest on PostgreSQL, ${CONNECTIONS} connections`;
  const turnOf = (
    name: string,
    side: Required<Side>,
    start: (dir: string, url: string) => ReturnType<Intake["start"]>,
  ) => ({
    async measure(round: number) {
      const database = await makeDatabase(server);
      const intake: Intake = {
        ...{ figure, name, connections: CONNECTIONS },
        start: (dir) => start(dir, server.url(database)),
        stored: async () => Number((await server.ask("SELECT count(*) FROM events", database))[0]![0]),
      };
      try {
        await measureIngest(intake, side, conditions, round);
      } finally {
        await server.ask(`DROP DATABASE ${database} WITH (FORCE)`);
      }
    },
  });
  const relays = conditions.versions.map((version) => ({ version, side: emptySide() }));
  const least = emptySide();
  await takeTurns(conditions.rounds, [
    turnOf("an INSERT a request", least, (_, url) =>
      startChild("insert-receiver.ts", { url, connections: POOL } satisfies InsertSettings),
    ),
    ...relays.map(({ version, side }) =>
      turnOf(version.name, side, (dir, url) => startRelay(dir, onPostgres(url), { workers: false, version })),
    ),
  ]);
  const note = `PostgreSQL on the same machine; the baseline has ${POOL} connections; the events in the database were counted`;
  const row = { ...rowOf({ figure, unit: "events/s", wanted: null, note }, relays), baseline: least };
  return [{ ...row, wanted: { of: "ratio", atLeast: WANTED.rate } }, tailRow(row, WANTED.tail)];
}

/** What a relay with ten endpoints asks of the database, and computes, while nothing happens. */
async function measureIdle(server: PostgresServer, { folder, idleSeconds, say }: Conditions): Promise<Row[]> {
  const endpoints = Array.from({ length: 10 }, (_, nth) => ({
    ...{ id: `app-${nth}`, url: "http://127.0.0.1:9/", secret: SECRET },
  }));
  const database = await makeDatabase(server);
  await server.ask("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
  const dir = folder();
  const relay = await startRelay(dir, onPostgres(server.url(database), { endpoints }), { workers: true });
  try {
    await sleep(SETTLE);
    say(`PostgreSQL: idle for ${idleSeconds} s`);
    const before = { ...(await asked(server, database)), cpu: await relay.ask<number>("cpu") };
    const from = performance.now();
    await sleep(idleSeconds * 1_000);
    const took = performance.now() - from;
    const cpu = ((await relay.ask<number>("cpu")) - before.cpu) / 1_000;
    const now = await asked(server, database);
    for (const [text, calls] of now.texts) {
      const more = calls - (before.texts.get(text) ?? 0);
      if (more > 0) say(`  ${((more * 1_000) / took).toFixed(2)}/s ${text.replace(/\s+/g, " ").slice(0, 100)}`);
    }
    const note = `10 endpoints, for ${idleSeconds} s; BEGIN and COMMIT count`;
    const row = (figure: string, unit: string, value: number, atMost: number | null): Row => ({
      ...{ figure, unit, baseline: null, ours: { values: [value] }, note },
      wanted: atMost === null ? null : { of: "ours", atMost },
    });
    const statements = ((now.statements - before.statements) * 1_000) / took;
    const transactions = ((now.transactions - before.transactions) * 1_000) / took;
    return [
      row("idle on PostgreSQL, statements", "a second", statements, WANTED.statements),
      row("idle on PostgreSQL, transactions", "a second", transactions, null),
      row("idle on PostgreSQL, CPU", "%", (cpu / took) * 100, WANTED.cpu),
    ];
  } finally {
    await relay.stop();
    await server.ask(`DROP DATABASE ${database} WITH (FORCE)`);
    rmSync(dir, { recursive: true });
  }
}

/** What was asked of a database so far: by others than this, which asks from another one. */
async function asked(server: PostgresServer, database: string) {
  const rows = await server.ask(
    `SELECT s.calls, replace(replace(s.query, chr(10), ' '), chr(9), ' ') FROM pg_stat_statements s
     JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = '${database}' ORDER BY s.calls DESC`,
  );
  const [[transactions = "0"] = []] = await server.ask(
    `SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '${database}'`,
  );
  const texts = new Map<string, number>();
  for (const [calls, text] of rows) texts.set(text!, (texts.get(text!) ?? 0) + Number(calls));
  const statements = [...texts.values()].reduce((sum, calls) => sum + calls, 0);
  return { texts, statements, transactions: Number(transactions) };
}

let databases = 0;

async function makeDatabase(server: PostgresServer): Promise<string> {
  const name = `bench_${++databases}`;
  await server.ask(`CREATE DATABASE ${name} TEMPLATE template0`);
  return name;
}

/** As an operator would have it: copies go into a bucket, which nothing asks for here. */
function onPostgres(url: string, overrides: ConfigInput = {}): ConfigInput {
  const bucket = { type: "s3" as const, bucket: "media", endpoint: "http://127.0.0.1:9", pathStyle: true };
  const target = { ...bucket, accessKeyId: "nobody", secretAccessKey: "nothing" };
  return benchConfig({ ...overrides, store: { url }, mirror: { target } } as ConfigInput);
}
