import type { DeliveryReason } from "../../../model/delivery.ts";
import type { DeliveryFilter } from "../../filters.ts";
import type { Page } from "../../store.ts";
import { listedEndpoints } from "../rows/listed-endpoints.ts";
import { rowsOf } from "../rows/merge.ts";
import { sql, type Tx } from "../tx.ts";
import { find } from "./find.ts";

/** At most this many reasons, and deliveries that are counted for each. */
const MOST = 200;
const COUNTED = 10_000;

type Row = { id: number; endpoint: string; last_error: string | null; at: number | null };

// Deliveries by what they failed with. With no other filter than state and endpoint the index gives each reason, and what is
// counted for it; else the newest that match are gone through.

const NEXT = sql<[string, string, string], { error: string | null }>(
  "SELECT min(last_error) AS error FROM deliveries WHERE state = ? AND endpoint = ? AND last_error > ?",
);
const OF_ERROR = "FROM deliveries WHERE state = ? AND endpoint = ? AND last_error = ? AND last_error IS NOT NULL";
const COUNT = sql<[string, string, string, number], { count: number }>(
  `SELECT count(*) AS count FROM (SELECT 1 ${OF_ERROR} LIMIT ?) c`,
);
const NEWEST = sql<[string, string, string], { id: number; at: number | null }>(
  `SELECT id, coalesce(tried_at, settled_at) AS at ${OF_ERROR} ORDER BY id DESC LIMIT 1`,
);
const ROWS = {
  select: "SELECT d.id, d.endpoint, d.last_error, coalesce(d.tried_at, d.settled_at) AS at FROM deliveries d",
  column: "d.id",
};

const LAST_ANSWER = sql<[number], { response: Uint8Array | null }>(
  "SELECT response FROM attempts WHERE delivery = ? ORDER BY n DESC LIMIT 1",
);

type Wish = DeliveryFilter & Pick<Page, "since" | "until">;
type Counted = Omit<DeliveryReason, "response">;

/** Those with most deliveries first. */
export async function list(tx: Tx, wish: Wish): Promise<DeliveryReason[]> {
  const { state = "dead", endpoint, ...others } = wish;
  const isNarrow = Object.values(others).some((value) => value !== undefined) || state === "running";
  const reasons = isNarrow ? await ofSome(tx, { ...wish, state }) : await ofAll(tx, state, endpoint);
  const most = reasons.sort((a, b) => b.count - a.count || b.lastAt - a.lastAt).slice(0, MOST);
  return Promise.all(
    most.map(async (reason) => {
      const last = await tx.get(LAST_ANSWER, [tx.ids.find("dlv", reason.sample)]);
      return { ...reason, response: last?.response ?? null };
    }),
  );
}

async function ofAll(tx: Tx, state: string, endpoint: string | undefined): Promise<Counted[]> {
  const reasons: Counted[] = [];
  for (const to of endpoint === undefined ? await listedEndpoints(tx) : [endpoint]) {
    let error = (await tx.get(NEXT, [state, to, ""]))?.error ?? null;
    for (; error !== null && reasons.length < MOST; error = (await tx.get(NEXT, [state, to, error]))?.error ?? null) {
      const [counted, newest] = await Promise.all([
        tx.get(COUNT, [state, to, error, COUNTED]),
        tx.get(NEWEST, [state, to, error]),
      ]);
      const { id, at } = newest!;
      const count = counted!.count;
      reasons.push({
        endpoint: to,
        error,
        count,
        isMore: count === COUNTED,
        lastAt: at ?? 0,
        sample: tx.ids.show("dlv", id),
      });
    }
  }
  return reasons;
}

async function ofSome(tx: Tx, wish: Wish): Promise<Counted[]> {
  const reasons = new Map<string, Counted>();
  const rows = await rowsOf<Row>(tx, ROWS, await find(tx, wish, COUNTED));
  for (const { id, endpoint, last_error: error, at } of rows) {
    if (error === null) continue;
    const key = `${endpoint} ${error}`;
    const known = reasons.get(key);
    if (known === undefined) {
      const sample = tx.ids.show("dlv", id);
      reasons.set(key, { endpoint, error, count: 1, isMore: rows.length === COUNTED, lastAt: at ?? 0, sample });
    } else known.count++;
  }
  return [...reasons.values()];
}
