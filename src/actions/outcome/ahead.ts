import type { Delivery, WaitsFor } from "../../model/delivery.ts";
import { describeWait } from "../../rules/waits.ts";
import type { Store } from "../../store/store.ts";
import { shortTime } from "../format.ts";
import { isoTime } from "../json.ts";

// What a delivery waits for, in words; of one that stands behind another also what holds that.

/** The deliveries that stand before these in their lanes, by id. */
export async function readAhead(
  store: Pick<Store, "delivery">,
  deliveries: Pick<Delivery, "waitsFor">[],
): Promise<Map<string, Delivery>> {
  const ids = new Set(deliveries.flatMap(({ waitsFor }) => (waitsFor?.is === "lane" ? [waitsFor.of!] : [])));
  const found = await Promise.all([...ids].map((id) => store.delivery(id, 0)));
  return new Map(found.map((one) => [one.id, one]));
}

type Waiting = Pick<Delivery, "state" | "waitsFor" | "nextAttemptAt">;

/**
 * `dlv_… of the same video goes first: HTTP 422; the next attempt is at …`; null: it waits for nothing. Where its gate is closed
 * as well, that too.
 */
export function describeWaitOf(delivery: Waiting, ahead: Map<string, Delivery>): string | null {
  const { state, waitsFor, nextAttemptAt } = delivery;
  if (waitsFor === null) return null;
  const say = (wait: WaitsFor) => describeWait(wait, (time) => shortTime(isoTime(time))!);
  const first = waitsFor.is === "lane" ? ahead.get(waitsFor.of!) : undefined;
  const words =
    first === undefined ? say(waitsFor) : `${say(waitsFor)}: ${standing(first, describeWaitOf(first, new Map()))}`;
  const isClosed = state === "waiting" && waitsFor.is !== "gate";
  return isClosed ? `${words}; and ${say({ is: "gate", until: nextAttemptAt, of: null })}` : words;
}

/** How one stands that goes first. `wait`: what it waits for, in words; null: for nothing. */
export function standing(
  { state, attempts, lastError }: Pick<Delivery, "state" | "attempts" | "lastError">,
  wait: string | null,
): string {
  if (state === "running") return "it is being sent now";
  const failed = attempts === 0 || lastError === null ? [] : [lastError];
  return [...failed, wait ?? "it is sent in a moment"].join("; ");
}
