import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { openPostgresStore } from "../../src/store/postgres/open.ts";
import { openWire, type Wire } from "../../src/store/postgres/wire/open.ts";
import { settingsOf } from "../../src/store/settings.ts";
import type { Accepted, Store } from "../../src/store/store.ts";
import { configIn } from "./config.ts";
import { tempFolder } from "./folder.ts";
import type { testLog } from "./ports.ts";
import { type PostgresServer, startPostgres, startStandby } from "./postgres.ts";
import { realPorts } from "./real-ports.ts";
import { waitFor } from "./wait.ts";
import { together } from "./wire.ts";

/** A server, and a standby that follows it; `isSynchronous`: each commit waits for the standby. */
export async function startPair(
  t: TestContext,
  { isSynchronous = false } = {},
): Promise<{ primary: PostgresServer; standby: PostgresServer; cutLink(): Promise<void> }> {
  const standbys = isSynchronous ? "standby" : "";
  const primary = await startPostgres(t, { syncs: true, settings: { synchronous_standby_names: standbys } });
  const standby = await startStandby(t, primary, { syncs: true });
  return {
    primary,
    standby,
    /** Nothing reaches the standby any more. */
    async cutLink() {
      await standby.ask("ALTER SYSTEM SET primary_conninfo = ''");
      await standby.ask("SELECT pg_reload_conf()");
      await waitFor(async () => (await primary.ask("SELECT 1 FROM pg_stat_replication")).length === 0);
    },
  };
}

export type RealStore = {
  store: Store;
  wire: Wire;
  log: ReturnType<typeof testLog>;
  post(body: string): Promise<Accepted>;
};

let opened = 0;

/** The store of a relay of its own on a database, or on one of each of several hosts, by the database's time. */
export async function openReal(t: TestContext, url: string | string[], input: ConfigInput = {}): Promise<RealStore> {
  const ports = realPorts(++opened);
  const wire = await openWire({ url: typeof url === "string" ? url : together(url), ca: null }, ports);
  const config = configIn(tempFolder(t), input);
  const opening = { dataDir: config.dataDir, settings: settingsOf(config) };
  const store = await openPostgresStore(opening, wire, { ...ports, clock: wire.clock }, { role: "relay" });
  t.after(() => store.close());
  return {
    ...{ store, wire, log: ports.log },
    post: (body) => store.accept({ receivedAt: wire.now(), sourceAddress: "192.0.2.1", body: Buffer.from(body) }),
  };
}

/** What was said of a level that matches. */
export function said({ log }: Pick<RealStore, "log">, level: "info" | "warn" | "error", fact: RegExp) {
  return log.facts.filter((one) => one.level === level && fact.test(one.fact));
}

/** Events of a video, in order, have these numbers one after the other, but where an epoch begins. */
export async function assertNumbered({ store }: Pick<RealStore, "store">, videoId: string): Promise<void> {
  const events = (await store.events({ videoId, limit: 500 })).filter(({ sequence }) => sequence !== null);
  const numbers = events.map(({ sequence }) => sequence!).sort((a, b) => a - b);
  for (const [at, number] of numbers.entries()) {
    const step = number - (numbers[at - 1] ?? 0);
    // An epoch's number is a time.
    assert.ok(step === 1 || step > 1_000_000, `${videoId}: ${numbers.join(" ")}`);
  }
}
