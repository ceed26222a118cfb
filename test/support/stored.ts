import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { loadConfig } from "../../src/config/load.ts";
import type { Delivery } from "../../src/model/delivery.ts";
import type { Quarantined, StoredEvent } from "../../src/model/event.ts";
import type { Medium } from "../../src/model/medium.ts";
import { openStore } from "../../src/store/open.ts";
import { nextDue } from "./next-due.ts";
import { realPorts } from "./real-ports.ts";

/** What a relay has stored, as an operator's command sees it, whole; beside a relay that runs, or after it. */
export type Stored = {
  events(): AsyncGenerator<StoredEvent>;
  event(id: string): Promise<StoredEvent>;
  /** The received bytes. */
  body(eventId: string): Promise<Uint8Array>;
  media(): AsyncGenerator<Medium>;
  deliveries(): AsyncGenerator<Delivery>;
  quarantined(): AsyncGenerator<Quarantined>;
  quarantinedBody(id: string): Promise<Uint8Array>;
  /** Waits until no download, upload, deletion and delivery is left to do; gives the milliseconds that took. Rejects after `ms`, and says what is left. */
  drained(ms: number): Promise<number>;
  /** SQLite's own check of the file: "ok"; so it is where there is none. */
  integrity(): string;
  close(): Promise<void>;
};

const PAGE = 1_000;
const UNSETTLED = ["waiting", "pending", "running"];

export async function openStored(configPath: string): Promise<Stored> {
  const config = loadConfig(configPath, { env: {}, cwd: dirname(configPath) });
  const store = await openStore(config, realPorts(), { role: "operator" });

  /** All pages of a list, one row after the other. */
  async function* all<Row extends { id: string }>(
    list: (page: { limit: number; before?: string }) => Promise<Row[]>,
  ): AsyncGenerator<Row> {
    for (let before: string | undefined; ; ) {
      const rows = await list({ limit: PAGE, before });
      yield* rows;
      if (rows.length < PAGE) return;
      before = rows.at(-1)!.id;
    }
  }

  async function leftToDo(): Promise<string[]> {
    const { media, deliveries } = await store.counts();
    const deletion = await nextDue(store, "delete");
    return [
      ...(deletion === null ? [] : [`deletions from ${new Date(deletion).toISOString()} on`]),
      ...[
        ...Object.entries(media).map(([state, count]) => ({ what: "media", state, count })),
        ...deliveries.map(({ endpoint, state, count }) => ({ what: `deliveries to ${endpoint}`, state, count })),
      ].flatMap(({ what, state, count }) =>
        UNSETTLED.includes(state) && count > 0 ? [`${count} ${what} ${state}`] : [],
      ),
    ];
  }

  return {
    events: () => all((page) => store.events(page)),
    event: (id) => store.event(id),
    body: (id) => store.eventBody(id),
    media: () => all((page) => store.media(page)),
    deliveries: () => all((page) => store.deliveries(page)),
    quarantined: () => all((page) => store.quarantined(page)),
    quarantinedBody: async (id) => (await store.quarantinedBody(id)).body,
    async drained(ms) {
      const from = performance.now();
      for (let left = await leftToDo(); left.length > 0; left = await leftToDo()) {
        if (performance.now() - from > ms) throw new Error(`not drained after ${ms} ms: ${left.join(", ")}`);
        await sleep(200);
      }
      return Math.round(performance.now() - from);
    },
    integrity() {
      if (config.store !== null) return "ok";
      const db = new Database(join(config.dataDir, "relay.db"), { readonly: true, fileMustExist: true });
      try {
        return String(db.pragma("integrity_check", { simple: true }));
      } finally {
        db.close();
      }
    },
    close: () => store.close(),
  };
}
