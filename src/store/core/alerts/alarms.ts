import type { AlarmWords, Alert, Receiver, Said, Severity } from "../../../model/alert.ts";
import { type Course, moveOn } from "../../../rules/alarms/course.ts";
import type { AlertVerbs } from "../../alerts.ts";
import * as meta from "../rows/meta.ts";
import { insert, sql, type Tx } from "../tx.ts";

// How far each alarm has come, and what that gives to be said.

type Seen = Parameters<AlertVerbs["noteAlarms"]>[0];
type Row = { name: string; subject: string; course: string; words: string };
type Turn = { by: string; until: number };

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
const BEGIN = insert("receivers", ["id"], "ON CONFLICT (id) DO NOTHING");
const KNOWN = sql<[], { id: string }>("SELECT id FROM receivers");
const FORGET_ALERTS = sql<[string]>("DELETE FROM alerts WHERE receiver = ?");
const FORGET = sql<[string]>("DELETE FROM receivers WHERE id = ?");

/** Whose turn it is. */
const TURN = "alarms-turn";

export const freeTurn = (tx: Tx) => meta.remove(tx, TURN);

/** Whether there is nothing to do: no alarm stands, and none is kept. */
export async function isIdle(tx: Tx, { standing, receivers }: Seen): Promise<boolean> {
  if (standing.length > 0) return false;
  const [rows, strays] = await Promise.all([tx.all(ALL, []), straysOf(tx, receivers)]);
  return rows.length === 0 && strays.length === 0;
}

export async function note(tx: Tx, seen: Seen, now: number): Promise<{ said: number }> {
  const { standing, receivers, by, leaseFor } = seen;
  const turn = await meta.readJson<Turn>(tx, TURN);
  const isHeld = turn !== null && turn.by !== by && turn.until > now && turn.until <= now + leaseFor;
  if (isHeld) return { said: 0 };
  meta.writeJson(tx, TURN, { by, until: now + leaseFor } satisfies Turn);
  for (const id of await straysOf(tx, receivers)) {
    tx.write(FORGET_ALERTS, [id]);
    tx.write(FORGET, [id]);
  }
  const rows = new Map((await tx.all(ALL, [])).map((row) => [keyOf(row.name, row.subject), row]));
  let said = 0;
  const move = (
    words: AlarmWords,
    former: Row | undefined,
    sight: { stands: boolean; holds: number; mayBegin: boolean },
  ) => {
    const before = former === undefined ? null : (JSON.parse(former.course) as Course);
    const { course, says } = moveOn(before, { ...sight, isSilenced: false, now });
    keep(tx, words, course, former);
    if (says === null) return;
    said++;
    say(tx, words, says, receivers, now);
  };
  for (const { holds, mayBegin, ...words } of standing) {
    const key = keyOf(words.name, words.subject ?? "");
    move(words, rows.get(key), { stands: true, holds, mayBegin });
    rows.delete(key);
  }
  for (const row of rows.values()) {
    move(JSON.parse(row.words) as AlarmWords, row, { stands: false, holds: 0, mayBegin: false });
  }
  return { said };
}

const keyOf = (name: string, subject: string) => `${name}\n${subject}`;

/** Receivers that have left the config. */
async function straysOf(tx: Tx, receivers: Receiver[]): Promise<string[]> {
  const there = new Set((await tx.all(KNOWN, [])).map(({ id }) => id));
  for (const { id } of receivers) there.delete(id);
  return [...there];
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

function say(tx: Tx, words: AlarmWords, says: Said, receivers: Receiver[], now: number): void {
  const { name, severity, subject: of } = words;
  const subject = of ?? "";
  const id = tx.ids.next();
  for (const [at, receiver] of receivers.filter(({ atLeast }) => isFor(atLeast, severity)).entries()) {
    BEGIN(tx, { id: receiver.id });
    tx.write(DROP_OLD, [receiver.id, name, subject]);
    // All receivers get it under one id.
    const alert: Alert = { ...words, id: tx.ids.show("alr", id), says, at: now };
    ADD(tx, {
      id: at === 0 ? id : tx.ids.next(),
      receiver: receiver.id,
      name,
      subject,
      says,
      alert: JSON.stringify(alert),
    });
  }
}

const isFor = (atLeast: Receiver["atLeast"], severity: Severity) => atLeast === "ticket" || severity === "page";
