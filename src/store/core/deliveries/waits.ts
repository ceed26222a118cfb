import type { WaitsFor } from "../../../model/delivery.ts";
import { GONE } from "../../../rules/gone.ts";
import { waitsFor } from "../../../rules/waits.ts";
import { sql, type Tx } from "../tx.ts";
import * as endpoints from "./endpoints.ts";
import { dueOf } from "./forward.ts";
import type { DeliveryRow } from "./lanes.ts";
import * as lanes from "./lanes.ts";

/** What of an endpoint its deliveries wait for. */
export type Held = endpoints.Standing & { inFlight: number };

// What a delivery that has not ended waits for (rules/waits.ts).

const IN_FLIGHT = sql<[string], { count: number }>(
  "SELECT count(*) AS count FROM deliveries WHERE state IN ('running', 'canceling') AND endpoint = ?",
);

export async function heldBy(tx: Tx, endpoint: string): Promise<Held> {
  const [standing, running] = await Promise.all([endpoints.read(tx, endpoint), tx.get(IN_FLIGHT, [endpoint])]);
  return { ...standing, inFlight: running!.count };
}

export async function explain(tx: Tx, row: DeliveryRow, held: Held): Promise<WaitsFor | null> {
  const { choice, pausedAt, reason, health, inFlight, forward } = held;
  const isRunning = row.state === "running" || row.state === "canceling";
  const ahead = isRunning
    ? null
    : ((await lanes.ahead(tx, row)) ?? (row.aside === 1 ? null : await lanes.underWay(tx, row)));
  const pausedBy = pausedAt !== null ? (reason === GONE ? "gone" : "operator") : choice?.paused ? "config" : null;
  return waitsFor(
    {
      endpoint: row.endpoint,
      event: tx.ids.show("evt", row.event),
      isRunning,
      isRemoved: choice === null,
      pausedBy,
      breakerUntil: health?.breaker?.dueAt ?? null,
      ahead: ahead && tx.ids.show("dlv", ahead.id),
      gateUntil: row.state === "waiting" ? row.due : null,
      due: row.state === "pending" ? dueOf(row, forward) : null,
      inFlight,
      slots: Math.min(choice?.concurrency ?? 1, health?.ramp ?? Number.POSITIVE_INFINITY),
      isPaced: choice !== null && choice.ratePerSecond !== null,
    },
    tx.now(),
  );
}
