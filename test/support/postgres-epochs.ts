import type { TestContext } from "node:test";
import { openPostgresStore, type Way } from "../../src/store/postgres/open.ts";
import { settingsOf } from "../../src/store/settings.ts";
import type { StoreRole } from "../../src/store/store.ts";
import { type Bench, bench, plain } from "../contracts/store.ts";
import { configIn } from "./config.ts";
import { tempFolder } from "./folder.ts";
import { testClock, testPorts } from "./ports.ts";
import { testDatabase } from "./postgres.ts";
import { byTimeOf, wireTo } from "./postgres-store.ts";
import { waitFor } from "./wait.ts";

const TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";

/** Stores on one database, by one clock; and what makes it look as if another server had taken over. */
export async function openStores(t: TestContext, count = 1) {
  const { url, server, name } = await testDatabase(t);
  const clock = testClock();
  const ask = (text: string) => server.ask(text, name);
  async function open(way = (wire: Way) => wire, role: StoreRole = "relay") {
    const config = configIn(tempFolder(t), plain());
    const ports = testPorts(clock);
    const opening = { dataDir: config.dataDir, settings: settingsOf(config) };
    const store = await openPostgresStore(opening, way(await wireTo(url)), byTimeOf(ports), { role });
    t.after(() => store.close());
    return { ...bench(store, clock, config, () => Promise.reject(new Error("it is opened once"))), log: ports.log };
  }
  const stores: (Bench & { log: ReturnType<typeof testPorts>["log"] })[] = [];
  for (let n = 0; n < count; n++) stores.push(await open());
  async function cut(): Promise<void> {
    const others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    const ended = (await ask(`SELECT pid, pg_terminate_backend(pid) ${others}`)).map(([pid]) => pid);
    await waitFor(async () => (await ask(`SELECT 1 ${others} AND pid IN (${ended.join()})`)).length === 0);
    // The end of a connection is heard in a turn of its own.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    ...{ stores, one: stores[0]!, clock, url, ask, open, cut },
    /** All connections are lost, and the database is on another server. */
    async takeOver() {
      await ask("UPDATE meta SET value = 'another/00000001' WHERE name = 'server'");
      await cut();
    },
    /** The database has lost all that is about a video. */
    async lose(videoId: string) {
      await ask(`DELETE FROM deliveries WHERE video IN (SELECT id FROM videos WHERE video_id = '${videoId}');
        DELETE FROM media WHERE video IN (SELECT id FROM videos WHERE video_id = '${videoId}');
        DELETE FROM events WHERE video IN (SELECT id FROM videos WHERE video_id = '${videoId}');
        DELETE FROM videos WHERE video_id = '${videoId}'`);
    },
    /** Keeps all that the database has. */
    async keep() {
      await ask(`DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept;
        DO $$ DECLARE one text; BEGIN
          FOR one IN ${TABLES} LOOP EXECUTE format('CREATE TABLE kept.%I AS TABLE public.%I', one, one); END LOOP;
        END $$`);
    },
    /** The database has lost all that came since. */
    async loseSince() {
      await ask(`DO $$ DECLARE one text; BEGIN
          SET LOCAL session_replication_role = replica; -- no trigger
          FOR one IN ${TABLES} LOOP
            EXECUTE format('DELETE FROM public.%I', one);
            EXECUTE format('INSERT INTO public.%I OVERRIDING SYSTEM VALUE SELECT * FROM kept.%I', one, one);
          END LOOP;
        END $$`);
    },
  };
}

/** Waits until an event is there; time passes, for what tries again. */
export const found = ({ store, clock }: Bench, id: string) =>
  waitFor(async () => {
    await clock.advance(10);
    return store.event(id);
  });

export const warned = ({ log }: { log: { facts: { fact: string }[] } }, what: RegExp) =>
  log.facts.filter(({ fact }) => what.test(fact)).length;
