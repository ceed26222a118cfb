import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { storeVerbs } from "../../src/store/verbs.ts";
import { testRandom } from "../support/ports.ts";
import { noPostgres } from "../support/postgres.ts";
import { openOnPostgres, openRelay } from "../support/postgres-store.ts";
import type { OpenStore, Steps } from "./walk.ts";

export type Engine = { open: OpenStore; skip: string | false; share: number };

type Verbs = Record<string, (...args: unknown[]) => Promise<unknown>>;

/**
 * Two relays on one database, behind one port: which of them does a verb is left to chance, the same at each run. One of them does
 * all work on media, and one all claims of an endpoint: what the other had claimed would keep it from more (`concurrency`).
 */
const openTwo: OpenStore = async (config, ports) => {
  const stores = [await openOnPostgres(config, ports), await openRelay(config, ports, `${config.dataDir}-beside`)];
  const [one, other] = stores as [Store, Store];
  const { float } = testRandom();
  /** What comes at once goes to one of them, so that it is done in its order. */
  let turn: Store | null = null;
  function either(): Store {
    if (turn === null)
      setImmediate(() => {
        turn = null;
      });
    turn ??= float() < 0.5 ? one : other;
    return turn;
  }

  function storeFor(verb: string, asked: unknown): Store {
    if (["claimDownloads", "claimUploads", "claimDeletions"].includes(verb)) return one;
    const { endpoint, lease } = Object(asked) as { endpoint?: string; lease?: { endpoints: string[] } };
    const claimed = verb === "claimDeliveries" ? endpoint : verb === "accept" ? lease?.endpoints[0] : undefined;
    if (claimed !== undefined) return claimed < "c" ? one : other;
    return either();
  }
  const verbs = Object.keys(storeVerbs).map((verb) => [
    verb,
    (...args: unknown[]) => (storeFor(verb, args[0]) as unknown as Verbs)[verb]!(...args),
  ]);
  return {
    ...one,
    ...Object.fromEntries(verbs),
    freeLeases: async (now: number) => (await one.freeLeases(now)) + (await other.freeLeases(now)),
    configure: (settings) => stores.forEach((store) => void store.configure(settings)),
    close: async () => void (await Promise.all(stores.map((store) => store.close()))),
  };
};

export const sqlite: OpenStore = (config, ports) => openStore(config, ports, { role: "relay" });

/**
 * What walks are played beside. `skip`: why it cannot be, here. `share`: of the walks that are played beside SQLite, and of the length
 * of each: what is compared after each command grows with what there is, and each look at it is a transaction.
 */
export const ENGINES: Record<"sqlite" | "postgres" | "two-relays", Engine> = {
  sqlite: { open: sqlite, skip: false, share: 1 },
  postgres: { open: openOnPostgres, skip: noPostgres, share: 0.3 },
  "two-relays": { open: openTwo, skip: noPostgres, share: 0.3 },
};

/** The seeds of the walks that are played beside an engine. */
export function seedsFor({ share }: Engine, walks: number, first = 1): number[] {
  return Array.from({ length: Math.ceil(walks * share) }, (_, index) => first + index);
}

export function stepsFor<Command>({ share }: Engine, steps: Steps<Command>): Steps<Command> {
  return { ...steps, length: Math.ceil(steps.length * share) };
}
