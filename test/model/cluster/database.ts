import pg from "pg";
import { beginEpoch } from "../../../src/store/postgres/epoch/begin.ts";
import { testRandom } from "../../support/ports.ts";
import { sharedPostgres } from "../../support/postgres.ts";
import { wireTo } from "../../support/postgres-store.ts";
import { waitFor } from "../../support/wait.ts";

/** A database that can be lost for an older one, as when a standby takes over that lacks the newest commits. */
export type ReplicatedDatabase = Awaited<ReturnType<typeof openDatabase>>;

/** Does something to each table of a store, called `one`. */
const each = (work: string) => `DO $$
  DECLARE one text;
  BEGIN
    FOR one IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
      ${work}
    END LOOP;
  END $$`;

/** What the standby has is the rows of each table. */
const STANDBY = "CREATE SCHEMA standby; CREATE TABLE standby.copies (name text, rows json, last_id int8)";

const REPLICATE = `BEGIN ISOLATION LEVEL REPEATABLE READ;
  DELETE FROM standby.copies;
  ${each(`EXECUTE format('INSERT INTO standby.copies SELECT %1$L, json_agg(t) FROM public.%1$I t', one);`)};
  INSERT INTO standby.copies SELECT '', NULL, last_value FROM ids;
  COMMIT`;

const END_OTHERS = `SELECT pg_stat_clear_snapshot();
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`;

// Who connects meanwhile waits for 'meta', where each connection looks first.
const TAKE_OVER = `BEGIN;
  SET LOCAL session_replication_role = replica; -- no trigger
  ${END_OTHERS};
  LOCK TABLE meta IN ACCESS EXCLUSIVE MODE;
  ${END_OTHERS};
  ${each(`EXECUTE format('DELETE FROM public.%1$I', one);
    EXECUTE format('INSERT INTO public.%1$I OVERRIDING SYSTEM VALUE SELECT t.* FROM standby.copies c,
      json_populate_recordset(NULL::public.%1$I, c.rows) t WHERE c.name = %1$L', one);`)};
  SELECT setval('ids', last_id) FROM standby.copies WHERE last_id IS NOT NULL;
  UPDATE meta SET value = convert_to('before/' || substr(random()::text, 3), 'UTF8') WHERE name = 'server';
  COMMIT`;

let made = 0;

export async function openDatabase() {
  const server = await sharedPostgres();
  const name = `cluster_${++made}`;
  await server.ask(`CREATE DATABASE ${name} TEMPLATE template0`);
  const admin = new pg.Client({ connectionString: server.url(name) });
  // The server may be stopped before its clients.
  admin.on("error", () => {});
  await admin.connect();
  const ask = async (text: string) => (await admin.query(text)).rows as Record<string, unknown>[];

  await ask(STANDBY);

  async function end(where: string): Promise<void> {
    const sessions = `FROM pg_stat_activity WHERE datname = '${name}' AND ${where}`;
    const ended = (await ask(`SELECT pid, pg_terminate_backend(pid) ${sessions}`)).map(({ pid }) => pid);
    if (ended.length === 0) return;
    const left = `SELECT 1 FROM pg_stat_activity WHERE pid IN (${ended})`;
    await waitFor(async () => (await ask(left)).length === 0);
  }

  return {
    /** As a relay of this name is to connect to it. */
    url: (application: string) => `${server.url(name)}?application_name=${application}`,
    /** The connections of this relay are lost. */
    cut: (application: string) => end(`application_name = '${application}'`),
    /** The standby has what is committed now. */
    replicate: () => ask(REPLICATE),
    /** What was committed since then is lost, and the database is on another server. */
    takeOver: () => ask(TAKE_OVER),
    /** As `restore --new-epoch`; its number. */
    async beginEpoch(now: number): Promise<number> {
      const wire = await wireTo(server.url(name));
      try {
        const how = { now, seen: 0, random: testRandom(), isWanted: () => true, restoredBy: null };
        return (await wire.transaction((transaction) => beginEpoch(transaction, how)))!;
      } finally {
        await wire.close();
      }
    },
    /** The numbers of its epochs. */
    epochs: async () => (await ask("SELECT number FROM epochs")).map(({ number }) => Number(number)),
    async remove(): Promise<void> {
      await admin.end();
      await server.ask(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}
