import type { Alert, ReceiverState, Severity } from "../../../model/alert.ts";
import type { AlertVerbs } from "../../alerts.ts";
import type { Work } from "../../verbs.ts";
import { apart, job, sql, type Tx } from "../tx.ts";
import * as alarms from "./alarms.ts";
import * as silences from "./silences.ts";

type AlertWorks = {
  [Name in keyof AlertVerbs]: Work<Parameters<AlertVerbs[Name]>, Awaited<ReturnType<AlertVerbs[Name]>>>;
};
type Row = {
  id: string;
  name: string | null;
  place: string;
  at_least: Severity;
  due: number;
  lease: number;
  claims: number;
  failures: number;
  failing_since: number | null;
  error: string | null;
  sent_at: number | null;
};

/** The most alerts of one message. */
const MOST = 50;

/** A receiver that is to be left alone for longer than this was given its time by a clock that was wrong; milliseconds. */
const LONGEST_REST = 3_600_000;

const WAITING = sql<[string, number], { id: number; alert: string }>(
  "SELECT id, alert FROM alerts WHERE receiver = ? ORDER BY id LIMIT ?",
);
const COUNT = sql<[string], { count: number }>('SELECT count(*) AS "count" FROM alerts WHERE receiver = ?');
const RECEIVER = sql<[string], Row>("SELECT * FROM receivers WHERE id = ?");
const RECEIVERS = sql<[], Row>("SELECT * FROM receivers ORDER BY id");
const LEASE = sql<[number, string]>("UPDATE receivers SET lease = ?, claims = claims + 1 WHERE id = ?");
const SENT = sql<[number, number, string]>(
  "UPDATE receivers SET lease = 0, failures = 0, failing_since = NULL, error = NULL, sent_at = ?, due = ? WHERE id = ?",
);
const FAILED = sql<[number, string, number, string]>(
  `UPDATE receivers SET lease = 0, failures = failures + 1, failing_since = coalesce(failing_since, ?), error = ?, due = ?
     WHERE id = ?`,
);
const DROP = sql<[string, number]>("DELETE FROM alerts WHERE receiver = ? AND id <= ?");
const GIVE_BACK = sql<[string]>("UPDATE receivers SET lease = 0 WHERE id = ?");

export const alertWorks: AlertWorks = {
  noteAlarms: {
    /** Where nothing stands, and nothing did, nothing is written. */
    answer: (seen) => job(async (tx) => ((await alarms.isIdle(tx, seen)) ? { said: 0, dropped: [] } : undefined)),
    run: (seen, now) => apart("alarms", (tx) => alarms.note(tx, seen, now)),
  },
  alarms: (now) => job(async (tx) => ({ alarms: await alarms.list(tx), silences: await silences.list(tx, now) })),
  silenceAlarm: (name, how, now) => apart("alarms", async (tx) => silences.begin(tx, name, how, now)),
  endSilence: (name, now) => apart("alarms", (tx) => silences.end(tx, name, now)),
  claimAlerts: {
    answer: ({ receivers, leaseFor }, now) =>
      job(async (tx) => ((await ready(tx, receivers, leaseFor, now)).length === 0 ? [] : undefined)),
    run: ({ receivers, leaseFor }, now) =>
      apart("alarms", async (tx) => {
        const due = await ready(tx, receivers, leaseFor, now);
        return due.map(({ id, claims, ...rest }) => {
          tx.write(LEASE, [now + leaseFor, id]);
          return { receiver: id, claim: tx.ids.claim(claims + 1), ...rest };
        });
      }),
  },
  settleAlerts: ({ receiver, claim, upTo, pause }, outcome, now) =>
    apart("alarms", async (tx) => {
      const row = await tx.get(RECEIVER, [receiver]);
      if (row === undefined || row.lease === 0 || row.claims !== tx.ids.claimed(claim)) return;
      if (outcome.is === "failed") return tx.write(FAILED, [now, outcome.error, outcome.at, receiver]);
      if (outcome.is === "cut off") return tx.write(GIVE_BACK, [receiver]);
      tx.write(DROP, [receiver, tx.ids.find("alr", upTo)]);
      tx.write(SENT, [now, now + pause, receiver]);
    }),
  receivers: () =>
    job(async (tx) => {
      const rows = await tx.all(RECEIVERS, []);
      return Promise.all(rows.map(async (row) => toState(row, (await tx.get(COUNT, [row.id]))?.count ?? 0)));
    }),
};

/** Those of these receivers that may be sent what waits for them. */
async function ready(tx: Tx, receivers: string[], leaseFor: number, now: number) {
  const all = receivers.map(async (id) => {
    const [row, waiting] = await Promise.all([tx.get(RECEIVER, [id]), tx.all(WAITING, [id, MOST])]);
    const { claims = 0, failures = 0, due = 0, lease = 0 } = row ?? {};
    const isHeld = lease > now && lease <= now + leaseFor;
    const rests = due > now && due <= now + LONGEST_REST;
    const alerts = isHeld || rests ? [] : waiting.map(({ alert }) => JSON.parse(alert) as Alert);
    return { id, claims, failures, alerts, upTo: tx.ids.show("alr", waiting.at(-1)?.id ?? 0) };
  });
  return (await Promise.all(all)).filter(({ alerts }) => alerts.length > 0);
}

/** For a relay at its start: it has the data folder for itself. */
export async function freeLeases(tx: Tx): Promise<void> {
  tx.write(sql<[]>(`UPDATE receivers SET lease = 0 WHERE lease > 0 AND ${tx.relay.isOwn}`), []);
  await alarms.freeTurn(tx);
}

const toState = (
  { id, name, place, at_least, sent_at, failing_since, error }: Row,
  waiting: number,
): ReceiverState => ({
  ...{ id, name, place, atLeast: at_least, waiting, error },
  ...{ sentAt: sent_at, failingSince: failing_since },
});
