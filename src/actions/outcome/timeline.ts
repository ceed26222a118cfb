import type { Delivery, LoggedAttempt } from "../../model/delivery.ts";
import type { StoredEvent } from "../../model/event.ts";
import type { Medium } from "../../model/medium.ts";
import { isoTime } from "../json.ts";

/** One thing that happened to an event. `of`: the medium or the delivery that it is about; null: the event itself. */
export type Moment = {
  at: string;
  what: "received" | "tried" | "secured" | "mirrored" | "failed" | "expired" | "skipped" | "opened" | "attempted";
  of: string | null;
  endpoint: string | null;
  /** Of a gate: why it opened; of an attempt: what the endpoint answered, or the error; of a medium that has none: why. */
  detail: string | null;
};

type Sent = Pick<Delivery, "id" | "endpoint" | "gate"> & { attemptLog: LoggedAttempt[] };

/** How a medium may end; superseded and deleted ones have no moment of their own. */
const ENDS = ["mirrored", "failed", "expired", "skipped"] as const;

/** What happened to an event, its media and its deliveries, in order of time; what is not known has no moment. */
export function timeline(event: Pick<StoredEvent, "receivedAt">, media: Medium[], deliveries: Sent[]): Moment[] {
  const moments: (Omit<Moment, "at"> & { at: number })[] = [];
  const add = (at: number | null, moment: Omit<Moment, "at">) => {
    if (at !== null) moments.push({ at, ...moment });
  };
  add(event.receivedAt, { what: "received", of: null, endpoint: null, detail: null });
  for (const { id, state, firstTriedAt, securedAt, settledAt, lastError } of media) {
    const about = { of: id, endpoint: null };
    add(firstTriedAt, { ...about, what: "tried", detail: null });
    add(securedAt, { ...about, what: "secured", detail: null });
    const end = ENDS.find((one) => one === state);
    if (end !== undefined) add(settledAt, { ...about, what: end, detail: end === "mirrored" ? null : lastError });
  }
  for (const { id, endpoint, gate, attemptLog } of deliveries) {
    if (gate !== null) add(gate.openedAt, { what: "opened", of: id, endpoint, detail: gate.by });
    for (const { startedAt, status, error } of attemptLog) {
      const detail = error ?? (status === null ? null : String(status));
      add(startedAt, { what: "attempted", of: id, endpoint, detail });
    }
  }
  return moments.sort((a, b) => a.at - b.at).map(({ at, ...moment }) => ({ at: isoTime(at), ...moment }));
}
