import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { loadConfig } from "../../../src/config/load.ts";
import type { Random } from "../../../src/ports.ts";
import { pick } from "../../../src/simulator/events.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Store } from "../../../src/store/store.ts";
import { realPorts } from "../real-ports.ts";

/** A replay that was asked for. `since`: so many requests had come to the app when it was committed; null: it may be there. */
export type Replay = { eventId: string; endpoint: string; deliveryId: string | null; since: number | null };

export type Operator = {
  replays: Replay[];
  counts: { retries: number; replays: number; refused: number };
  stop(): Promise<void>;
};

/** Between two of its visits, in milliseconds; and what it does in each. */
const PAUSE = 400;
const DEEDS = 6;

/**
 * Does what an operator's commands do beside a relay that works, starts and is killed: retries deliveries that wait, and
 * replays events to `endpoints`, each once at most. It opens the database anew for each visit.
 */
export function startOperator(given: {
  configPath: string;
  endpoints: string[];
  random: Random;
  /** Whether a relay has opened the database; a command makes none. */
  isThere: () => boolean;
  /** Requests that have come to the app. */
  arrived: () => number;
}): Operator {
  const { endpoints, random } = given;
  const config = loadConfig(given.configPath, { env: {}, cwd: dirname(given.configPath) });
  const replays: Replay[] = [];
  const counts = { retries: 0, replays: 0, refused: 0 };
  let isOver = false;

  async function visit(store: Store): Promise<void> {
    const endpoint = pick(random, endpoints);
    const rows = await store.deliveries({ limit: 200, endpoint });
    for (let deed = 0; deed < DEEDS && rows.length > 0 && !isOver; deed++) {
      const row = pick(random, rows);
      const isNotice = row.type?.startsWith("relay.") === true;
      const mayReplay =
        !row.replay && !isNotice && !replays.some((one) => one.eventId === row.eventId && one.endpoint === endpoint);
      try {
        if (row.state === "pending" || row.state === "waiting") {
          await store.retryDelivery(row.id, Date.now());
          counts.retries++;
        } else if (mayReplay && (row.state === "delivered" || row.state === "superseded")) {
          const replay: Replay = { eventId: row.eventId, endpoint, deliveryId: null, since: null };
          replays.push(replay);
          replay.deliveryId = (
            await store.replay(row.eventId, { endpoint, ordered: true, newId: false }, Date.now())
          ).id;
          replay.since = given.arrived();
          counts.replays++;
        }
      } catch {
        // It has ended or begun meanwhile, or the database is being opened.
        counts.refused++;
      }
    }
  }

  async function work(): Promise<void> {
    for (let visits = 1; !isOver; await sleep(random.float() * PAUSE)) {
      if (!given.isThere()) continue;
      // Each draws other random numbers: on a database that several share they are to be its own.
      const ports = realPorts(`visit ${visits++}`);
      const store = await openStore(config, ports, { role: "operator" }).catch(() => null);
      if (store === null) continue;
      try {
        await visit(store);
      } catch {
        counts.refused++;
      } finally {
        await store.close();
      }
    }
  }

  const done = work();
  return {
    replays,
    counts,
    async stop() {
      isOver = true;
      await done;
    },
  };
}
