import type { AlarmState, AlarmWords, Alert, Receiver, Severity } from "../../../model/alert.ts";
import { type Course, moveOn } from "../../../rules/alarms/course.ts";
import type { AlertVerbs } from "../../alerts.ts";
import * as meta from "../rows/meta.ts";
import { insert, sql, type Tx } from "../tx.ts";
import * as silences from "./silences.ts";

// How far each alarm has come, and what that gives to be said.

type Seen = Parameters<AlertVerbs["noteAlarms"]>[0];
type Noted = Awaited<ReturnType<AlertVerbs["noteAlarms"]>>;
type Known = Pick<Receiver, "id" | "name" | "place"> & { at_least: string };
type Row = { name: string; subject: string; course: string; words: string };
type Turn = { by: string; until: number; relay?: string };

const ALL = sql<[], Row>("SELECT name, subject, course, words FROM alarms ORDER BY name, subject");
const SET = insert(
  "alarms",
  ["name", "subject", "course", "words"],
  "ON CONFLICT (name, subject) DO UPDATE SET course = excluded.course, words = excluded.words",
);
const DROP = sql<[string, string]>("DELETE FROM alarms WHERE name = ? AND subject = ?");
const ADD = insert("alerts", ["id", "receiver", "name", "subject", "says", "alert"]);
/** One that lasts is said once, however long its receiver is away. */
const DROP_OLD = sql<[string, string, string]>(
  "DELETE FROM alerts WHERE receiver = ? AND name = ? AND subject = ? AND says = 'lasts'",
);
const KNOW = insert(
  "receivers",
  ["id", "name", "place", "at_least"],
  "ON CONFLICT (id) DO UPDATE SET name = excluded.name, place = excluded.place, at_least = excluded.at_least",
);
const KNOWN = sql<[], Known>("SELECT id, name, place, at_least FROM receivers");
const WAITING = sql<[string], { count: number }>('SELECT count(*) AS "count" FROM alerts WHERE receiver = ?');
const FORGET_ALERTS = sql<[string]>("DELETE FROM alerts WHERE receiver = ?");
const FORGET = sql<[string]>("DELETE FROM receivers WHERE id = ?");

/** Whose turn it is. */
const TURN = "alarms-turn";

/** The one of this relay has ended. */
export async function freeTurn(tx: Tx): Promise<void> {
  const isOwn = tx.relay.isAlone || (await meta.readJson<Turn>(tx, TURN))?.relay === tx.relay.writer;
  if (isOwn) meta.remove(tx, TURN);
}

/** Whether there is nothing to do: no alarm stands, none is kept, and the receivers are those of before. */
export async function isIdle(tx: Tx, { standing, receivers }: Seen): Promise<boolean> {
  if (standing.length > 0) return false;
  const [rows, known] = await Promise.all([tx.all(ALL, []), tx.all(KNOWN, [])]);
  return rows.length === 0 && known.length === receivers.length && receivers.every((one) => isKnown(known, one));
}

const isKnown = (known: Known[], { id, name, place, atLeast }: Receiver) =>
  known.some((one) => one.id === id && one.name === name && one.place === place && one.at_least === atLeast);

export async function note(tx: Tx, seen: Seen, now: number): Promise<Noted> {
  const { standing, receivers, by, leaseFor } = seen;
  const turn = await meta.readJson<Turn>(tx, TURN);
  const isHeld = turn !== null && turn.by !== by && turn.until > now && turn.until <= now + leaseFor;
  if (isHeld) return { said: 0, dropped: [] };
  meta.writeJson(tx, TURN, { by, until: now + leaseFor, relay: tx.relay.writer } satisfies Turn);
  const { dropped, added } = await takeReceivers(tx, receivers);
  const silenced = await silences.reached(tx, now);
  const rows = new Map((await tx.all(ALL, [])).map((row) => [keyOf(row.name, row.subject), row]));
  let said = 0;
  const move = (
    words: AlarmWords,
    former: Row | undefined,
    sight: { stands: boolean; holds: number; mayBegin: boolean },
  ) => {
    const before = former === undefined ? null : (JSON.parse(former.course) as Course);
    const isSilenced = silenced.has(words.name);
    const { course, says } = moveOn(before, { ...sight, isSilenced, now });
    keep(tx, words, course, former);
    if (says !== null) {
      said++;
      const began = says === "ends" ? (before?.since ?? null) : null;
      say(tx, words, { says, at: now, ...(began !== null && { began }) }, receivers);
    } else if (course?.isKnown && !isSilenced) {
      say(tx, words, { says: course.flaps ? "flaps" : "begins", at: course.changedAt }, added);
    }
  };
  for (const { holds, mayBegin, ...words } of standing) {
    const key = keyOf(words.name, words.subject ?? "");
    move(words, rows.get(key), { stands: true, holds, mayBegin });
    rows.delete(key);
  }
  for (const row of rows.values()) {
    move(JSON.parse(row.words) as AlarmWords, row, { stands: false, holds: 0, mayBegin: false });
  }
  return { said, dropped };
}

const keyOf = (name: string, subject: string) => `${name}\n${subject}`;

/** Forgets receivers that have left the config, and takes in those that are new. */
async function takeReceivers(tx: Tx, receivers: Receiver[]) {
  const known = await tx.all(KNOWN, []);
  const left = known.filter(({ id }) => !receivers.some((one) => one.id === id));
  const dropped = await Promise.all(
    left.map(async ({ id, name, place }) => ({ id, name, place, waiting: (await tx.get(WAITING, [id]))?.count ?? 0 })),
  );
  for (const { id } of left) {
    tx.write(FORGET_ALERTS, [id]);
    tx.write(FORGET, [id]);
  }
  for (const one of receivers) {
    if (!isKnown(known, one)) KNOW(tx, { id: one.id, name: one.name, place: one.place, at_least: one.atLeast });
  }
  return { dropped, added: receivers.filter(({ id }) => !known.some((one) => one.id === id)) };
}

export async function list(tx: Tx): Promise<AlarmState[]> {
  return (await tx.all(ALL, [])).map(({ course, words }) => {
    const { since, hasBegun, flaps, saidAt, changedAt } = JSON.parse(course) as Course;
    const state = flaps ? "flapping" : since === null ? "quiet" : hasBegun ? "on" : "holding";
    return {
      ...(JSON.parse(words) as AlarmWords),
      ...{ state, since: flaps ? changedAt : since, saidAt: saidAt === 0 ? null : saidAt },
    };
  });
}

function keep(tx: Tx, words: AlarmWords, course: Course | null, former: Row | undefined): void {
  const { name, subject: of } = words;
  const subject = of ?? "";
  if (course === null) {
    if (former !== undefined) tx.write(DROP, [name, subject]);
    return;
  }
  const row = { name, subject, course: JSON.stringify(course), words: JSON.stringify(words) };
  if (row.course !== former?.course || row.words !== former.words) SET(tx, row);
}

function say(tx: Tx, words: AlarmWords, what: Pick<Alert, "says" | "at" | "began">, receivers: Receiver[]): void {
  const { name, severity, subject: of } = words;
  const subject = of ?? "";
  const to = receivers.filter(({ atLeast }) => isFor(atLeast, severity));
  if (to.length === 0) return;
  const id = tx.ids.next();
  // All receivers get it under one id.
  const alert = JSON.stringify({ ...words, id: tx.ids.show("alr", id), ...what } satisfies Alert);
  for (const [at, receiver] of to.entries()) {
    tx.write(DROP_OLD, [receiver.id, name, subject]);
    ADD(tx, { id: at === 0 ? id : tx.ids.next(), receiver: receiver.id, name, subject, says: what.says, alert });
  }
}

const isFor = (atLeast: Receiver["atLeast"], severity: Severity) => atLeast === "ticket" || severity === "page";
