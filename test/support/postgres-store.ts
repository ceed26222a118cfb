import pg from "pg";
import type { Config } from "../../src/config/schema.ts";
import { systemClock } from "../../src/platform/runtime.ts";
import type { Ports } from "../../src/ports.ts";
import { openPostgresStore } from "../../src/store/postgres/open.ts";
import { openWire, type Wire } from "../../src/store/postgres/wire/open.ts";
import { settingsOf } from "../../src/store/settings.ts";
import type { Store } from "../../src/store/store.ts";
import type { OpenStore } from "../contracts/store.ts";
import { testPorts } from "./ports.ts";
import { sharedPostgres } from "./postgres.ts";
import { noting, type Sent } from "./postgres-plans.ts";

// Stores of the contracts on PostgreSQL: each data folder has a database. One that no test has open any longer is emptied for
// the next: that is faster than another one.

type Database = { name: string; url: string; admin: pg.Client; open: number };

const ofFolder = new Map<string, Database>();
const free: Database[] = [];
let made = 0;

/** The way to a database, as a relay has it, whose clock the database's is. */
export function wireTo(url: string): Promise<Wire> {
  return openWire({ url, ca: null }, { ...testPorts(), clock: systemClock() });
}

/**
 * As with a wire's clock only the time of day is given: what has to be tried again waits for real milliseconds, and deadlines stay
 * where they are when a test sets its clock.
 */
export const byTimeOf = (ports: Ports): Ports => ({ ...ports, clock: { ...systemClock(), now: ports.clock.now } });

/** What the stores of the contracts have asked. */
export const sent: Sent = new Map();

/** Opens the store of a config on the server of this process. */
export const openOnPostgres: OpenStore = (config, ports) => openRelay(config, ports, config.dataDir);

/** The same as the relay of another data folder, beside that of the config. */
export async function openRelay(config: Config, ports: Ports, dataDir: string): Promise<Store> {
  const database = await databaseOf(config.dataDir);
  database.open++;
  let store: Store;
  try {
    const opening = { dataDir, settings: settingsOf(config) };
    const wire = noting(await wireTo(database.url), sent);
    store = await openPostgresStore(opening, wire, byTimeOf(ports), { role: "relay" });
  } catch (error) {
    database.open--;
    throw error;
  }
  let isClosed = false;
  return {
    ...store,
    async close() {
      if (!isClosed) database.open--;
      isClosed = true;
      await store.close();
    },
  };
}

/** A test may open the folders that it has come to last, again. */
const LATEST = 2;

async function databaseOf(folder: string): Promise<Database> {
  const known = ofFolder.get(folder);
  if (known !== undefined) return known;
  for (const [other, database] of [...ofFolder].slice(0, -LATEST)) {
    if (database.open > 0) continue;
    ofFolder.delete(other);
    free.push(database);
  }
  const database = free.pop() ?? (await makeDatabase());
  await empty(database);
  ofFolder.set(folder, database);
  return database;
}

async function makeDatabase(): Promise<Database> {
  const server = await sharedPostgres();
  const name = `store_${++made}`;
  await server.ask(`CREATE DATABASE ${name} TEMPLATE template0`);
  const url = server.url(name);
  const admin = new pg.Client({ connectionString: url });
  // Its server is stopped when the last test has ended.
  admin.on("error", () => {});
  await admin.connect();
  return { name, url, admin, open: 0 };
}

/** As if the schema had just been made; nothing where there is none yet. */
async function empty({ admin }: Database): Promise<void> {
  await admin.query(`DO $$
    DECLARE one text;
    BEGIN
      IF to_regclass('meta') IS NULL THEN RETURN; END IF;
      SET LOCAL session_replication_role = replica; -- no trigger
      FOR one IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        IF one = 'meta' THEN DELETE FROM meta WHERE name NOT IN ('schema', 'oldest', 'server');
        ELSE EXECUTE format('DELETE FROM %I', one);
        END IF;
      END LOOP;
      INSERT INTO meta (name, value) VALUES ('epoch', uuid_send(gen_random_uuid())), ('names', uuid_send(gen_random_uuid()));
      INSERT INTO epochs (first, tag) VALUES (1, floor(random() * 1073741824));
      PERFORM setval('ids', 0, false);
    END $$`);
}
