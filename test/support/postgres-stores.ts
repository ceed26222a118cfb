import type { TestContext } from "node:test";
import type { Ports } from "../../src/ports.ts";
import { openPostgresStore, type Way } from "../../src/store/postgres/open.ts";
import type { Wire } from "../../src/store/postgres/wire/open.ts";
import { settingsOf } from "../../src/store/settings.ts";
import { type Bench, bench, plain } from "../contracts/store.ts";
import { configIn } from "./config.ts";
import { tempFolder } from "./folder.ts";
import { type TestClock, testClock, testPorts } from "./ports.ts";
import { testDatabase } from "./postgres.ts";
import { byTimeOf, wireTo } from "./postgres-store.ts";
import { tapWire } from "./wire.ts";

/** `time`: theirs; else only the time of day is the test's. `delay`: milliseconds that each round trip of the first store takes more. */
type Options = {
  input?: Parameters<typeof configIn>[1];
  wire?(wire: Wire, nth: number): Way;
  time?(ports: Ports): Ports;
  delay?: number;
};

/** Stores of some data folders on one database, opened at once. */
export async function openStores(
  t: TestContext,
  count: number,
  { input = plain(), wire = (one) => one, time = byTimeOf, delay = 0 }: Options = {},
) {
  const { url, server, name } = await testDatabase(t);
  const clock = testClock();
  const slow = await tapWire(t, server);
  slow.delay(delay);
  const open = async (_: unknown, nth: number): Promise<Bench> => {
    const config = configIn(tempFolder(t), input);
    const opening = { dataDir: config.dataDir, settings: settingsOf(config) };
    const way = wire(await wireTo(nth > 0 || delay === 0 ? url : slow.url(name)), nth);
    const store = await openPostgresStore(opening, way, time(testPorts(clock)), { role: "relay" });
    t.after(() => store.close());
    return bench(store, clock, config, () => Promise.reject(new Error("it is opened once")));
  };
  const stores = await Promise.all(Array.from({ length: count }, open));
  return { stores, clock, url, ask: (text: string) => server.ask(text, name) };
}

/** A wire that waits, once after `begin`: before a statement, behind its answer, or before the COMMIT of what writes. */
export function pausing(at: RegExp | "COMMIT", when: "before" | "behind" = "before") {
  let waits = false;
  const [isThere, mayGoOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  async function pause(): Promise<void> {
    if (!waits) return;
    waits = false;
    isThere.resolve();
    await mayGoOn.promise;
  }
  const wire = (real: Way): Way => ({
    ...real,
    transaction: (work, how) =>
      real.transaction(async (transaction) => {
        const result = await work({
          ...transaction,
          async query(query) {
            const isAt = at !== "COMMIT" && at.test(query.text);
            if (isAt && when === "before") await pause();
            const answer = await transaction.query(query);
            if (isAt && when === "behind") await pause();
            return answer;
          },
        });
        if (at === "COMMIT" && !how?.readonly) await pause();
        return result;
      }, how),
  });
  return {
    wire,
    begin() {
      waits = true;
      return isThere.promise;
    },
    goOn: () => mayGoOn.resolve(),
  };
}

export type Pausing = ReturnType<typeof pausing>;

/** Time passes, so that what waits before it tries again goes on. */
export async function passing<T>(clock: TestClock, work: Promise<T>): Promise<T> {
  let isOver = false;
  const ended = work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await clock.advance(1);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return ended;
}
