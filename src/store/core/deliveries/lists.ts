import { Buffer } from "node:buffer";
import type { Delivery, LoggedAttempt } from "../../../model/delivery.ts";
import type { Store } from "../../store.ts";
import { rowsOf } from "../rows/merge.ts";
import { PER_MS } from "../rows/numbers.ts";
import { ALL } from "../rows/paging.ts";
import { sql, type Tx } from "../tx.ts";
import { rowOf } from "./deliveries.ts";
import { FROM, find } from "./find.ts";
import { dueOf } from "./forward.ts";
import type { DeliveryRow } from "./lanes.ts";
import { explain, type Held, heldBy } from "./waits.ts";

type AttemptRow = {
  n: number;
  started_at: number;
  duration: number;
  status: number | null;
  error: string | null;
  response: Uint8Array | null;
  retry_after: number | null;
  probe: number;
  bytes: number | null;
  sha256: Uint8Array | null;
};

type Shown = DeliveryRow & { video_id: string | null; event_type: string | null };

// Shows deliveries.

const SHOWN = sql<[number], Pick<Shown, "video_id" | "event_type">>(
  `SELECT v.video_id, e.type AS event_type FROM ${FROM} WHERE d.id = ?`,
);
const ATTEMPTS_OF = sql<[number, number], AttemptRow>(
  "SELECT * FROM attempts WHERE delivery = ? ORDER BY n DESC LIMIT ?",
);

export async function show(tx: Tx, id: string, limit = ALL): Promise<Delivery & { attemptLog: LoggedAttempt[] }> {
  const row = await rowOf(tx, id);
  const [shown, attempts] = await Promise.all([tx.get(SHOWN, [row.id]), tx.all(ATTEMPTS_OF, [row.id, limit])]);
  const [delivery] = await toDeliveries(tx, [{ ...row, ...shown! }]);
  return { ...delivery!, attemptLog: attempts.reverse().map(toAttempt) };
}

function toAttempt({ started_at, retry_after, probe, ...attempt }: AttemptRow): LoggedAttempt {
  const { n, duration, status, error, response, bytes, sha256 } = attempt;
  const sent = {
    bytes,
    sha256: sha256 && Buffer.from(sha256).toString("hex"),
    retryAfter: retry_after,
    probe: probe === 1,
  };
  return { n, startedAt: started_at, duration, status, error, response, ...sent };
}

const ROWS = { select: `SELECT d.*, v.video_id, e.type AS event_type FROM ${FROM}`, column: "d.id" };

export async function list(tx: Tx, wish: Parameters<Store["deliveries"]>[0]): Promise<Delivery[]> {
  return toDeliveries(tx, await rowsOf<Shown>(tx, ROWS, await find(tx, wish, wish.limit)));
}

async function toDeliveries(tx: Tx, rows: Shown[]): Promise<Delivery[]> {
  const endpoints = new Set(rows.filter(({ settled_at }) => settled_at === null).map((row) => row.endpoint));
  const held = new Map(
    await Promise.all([...endpoints].map(async (endpoint) => [endpoint, await heldBy(tx, endpoint)] as const)),
  );
  return Promise.all(rows.map((row) => toDelivery(tx, row, held.get(row.endpoint))));
}

async function toDelivery(tx: Tx, row: Shown, held: Held | undefined): Promise<Delivery> {
  const isWaiting = row.state === "pending" || row.state === "waiting";
  const retry = held?.choice?.retry;
  return {
    id: tx.ids.show("dlv", row.id),
    eventId: tx.ids.show("evt", row.event),
    videoId: row.video_id,
    type: row.event_type,
    endpoint: row.endpoint,
    // Numbers of a millisecond may run ahead of the clock, by a hair (rows/numbers.ts).
    createdAt: Math.floor(row.id / PER_MS),
    state: row.state === "canceling" ? "running" : row.state,
    attempts: row.attempts,
    attemptsLeft: row.settled_at === null && retry ? Math.max(0, retry.length + 1 - row.spent) : null,
    nextAttemptAt: isWaiting && row.due !== null ? dueOf(row, held?.forward ?? null) : null,
    lastError: row.last_error,
    replay: row.replay > 0,
    supersededBy: row.superseded_by === null ? null : tx.ids.show("dlv", row.superseded_by),
    gate: row.opened_at === null ? null : { openedAt: row.opened_at, by: row.opened_by! },
    waitsFor: row.settled_at === null && held ? await explain(tx, row, held) : null,
  };
}
