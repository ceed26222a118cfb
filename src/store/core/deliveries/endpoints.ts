import type { EndpointState } from "../../../model/delivery.ts";
import type { Health } from "../../../model/health.ts";
import { type Judged, judge as judgeHealth, movedBack } from "../../../rules/endpoint-health.ts";
import { countGone, GONE } from "../../../rules/gone.ts";
import { LATEST_TIME } from "../../../rules/plausible-time.ts";
import type { EndpointSettings } from "../../settings.ts";
import { Outdated, sql, type Tx } from "../tx.ts";
import * as forward from "./forward.ts";
import { type DeliveryRow, NO_VIDEO } from "./lanes.ts";

/** `gone`: the video for which it last answered 410; 0: its last answer was another one. `probing`: a delivery. */
type EndpointRow = {
  id: string;
  paused_at: number | null;
  reason: string | null;
  gone: number;
  health: string | null;
  probing: number | null;
};

/** What an endpoint is held to: `choice` is null for one that is in the config no longer. */
export type Standing = {
  choice: EndpointSettings | null;
  pausedAt: number | null;
  reason: string | null;
  gone: number;
  health: Health | null;
  probing: number | null;
  forward: forward.Forward | null;
};

type Judgement = Pick<Standing, "gone" | "health" | "probing">;
type Answered = Omit<Judged, "video" | "isProbe">;

// The state of endpoints. One of which nothing is known may have no row.

const BY_ID = sql<[string], EndpointRow & { forward: Uint8Array | null }>(
  "SELECT p.*, (SELECT value FROM meta WHERE name = 'forward/' || p.id) AS forward FROM endpoints p WHERE p.id = ?",
);
/** What is known of an endpoint `p`, in a statement; all of it is null where it has no row. */
export const KNOWN = "p.paused_at, p.reason, p.gone, p.health, p.probing";
export type Known = { [Column in Exclude<keyof EndpointRow, "id">]: EndpointRow[Column] | null };
const ALL = sql<[], EndpointRow>(
  "SELECT * FROM endpoints WHERE paused_at IS NOT NULL OR health IS NOT NULL ORDER BY id",
);
const SET_JUDGED = sql<[string, number, string | null, number | null, number, string | null, number | null]>(
  `INSERT INTO endpoints (id, gone, health, probing) VALUES (?, ?, ?, ?)
   ON CONFLICT (id) DO UPDATE SET gone = excluded.gone, health = excluded.health, probing = excluded.probing
     WHERE endpoints.gone = ? AND endpoints.health IS NOT DISTINCT FROM ? AND endpoints.probing IS NOT DISTINCT FROM ?`,
);
const SET_PAUSED = sql<[string, number | null, string | null]>(
  `INSERT INTO endpoints (id, paused_at, reason) VALUES (?, ?, ?)
   ON CONFLICT (id) DO UPDATE SET paused_at = excluded.paused_at, reason = excluded.reason, gone = 0`,
);
const SET_HEALTH = sql<[string, string]>("UPDATE endpoints SET health = ? WHERE id = ?");
const SET_PROBING = sql<[number, string]>("UPDATE endpoints SET probing = ? WHERE id = ?");

const writeHealth = (health: Health | null) => health && JSON.stringify(health);
const columnsOf = ({ gone, health, probing }: Judgement) => [gone, writeHealth(health), probing] as const;
const readHealth = (text: string | null) => JSON.parse(text ?? "null") as Health | null;

export function choiceOf(tx: Tx, endpoint: string): EndpointSettings | null {
  return tx.settings.endpoints.find(({ id }) => id === endpoint) ?? null;
}

/** As it was last configured, of one that has left the config since the store was opened. */
export function formerChoice(tx: Tx, endpoint: string): EndpointSettings | null {
  return tx.settings.former?.find(({ id }) => id === endpoint) ?? null;
}

export async function read(tx: Tx, endpoint: string): Promise<Standing> {
  return standingOf(tx, endpoint, await tx.get(BY_ID, [endpoint]));
}

export function standingOf(
  tx: Tx,
  endpoint: string,
  row: (Known & { forward?: Uint8Array | null }) | undefined,
): Standing {
  return {
    choice: choiceOf(tx, endpoint),
    pausedAt: row?.paused_at ?? null,
    reason: row?.reason ?? null,
    gone: row?.gone ?? 0,
    health: readHealth(row?.health ?? null),
    probing: row?.probing ?? null,
    forward: forward.readForward(row?.forward ?? null),
  };
}

/** Nothing is sent to it: it is paused, by an operator, by 410s, or by the config. */
export const isPaused = ({ pausedAt, choice }: Standing) => pausedAt !== null || choice?.paused === true;

export const setProbing = (tx: Tx, endpoint: string, delivery: number) => tx.write(SET_PROBING, [delivery, endpoint]);

/**
 * Takes one more answer into account: it may open or close the breaker, and 410s for two videos in a row pause the endpoint
 * (rules/gone.ts).
 */
export async function judge(
  tx: Tx,
  row: DeliveryRow,
  standing: Standing,
  answer: Answered,
  how: { now: number; concurrency: number },
): Promise<Verdict> {
  const before = judged(row, standing, answer, how);
  if (!before.isChanged) return before.verdict;
  // Answers of one endpoint are judged one after the other: each by what the one before it has changed.
  return tx.alone(`endpoint/${row.endpoint}`, async () => {
    const present = tx.relay.isAlone ? standing : await read(tx, row.endpoint);
    const { isChanged, next, verdict } = present === standing ? before : judged(row, present, answer, how);
    if (!isChanged) return verdict;
    const values = [row.endpoint, ...columnsOf(next), ...columnsOf(present)] as const;
    // Another relay has changed it meanwhile.
    if ((await tx.changed(SET_JUDGED, [...values])) === 0) throw new Outdated(`endpoint ${row.endpoint}`);
    if (verdict.pauses) tx.write(SET_PAUSED, [row.endpoint, how.now, GONE]);
    return verdict;
  });
}

type Verdict = { counted: boolean; change: "opened" | "closed" | null; pauses: boolean };

/** What an answer makes of an endpoint that stands so. */
function judged(
  { id, video }: DeliveryRow,
  standing: Standing,
  answer: Answered,
  how: { now: number; concurrency: number },
): { isChanged: boolean; next: Judgement; verdict: Verdict } {
  const isProbe = standing.probing === id;
  const { health, counted, change } = judgeHealth(standing.health, { ...answer, video, isProbe }, how);
  // Attempts that were under way when it was paused: their answers leave the pause as it is.
  // A notice may be about no video: it is none of the two that are asked for.
  const isCounted = standing.pausedAt === null && answer.kind !== "none" && video !== NO_VIDEO;
  const { gone, pauses } = isCounted
    ? countGone(standing.gone, video, answer.status)
    : { gone: standing.gone, pauses: false };
  const next = { health, gone, probing: isProbe ? null : standing.probing };
  const isChanged = health !== standing.health || gone !== standing.gone || next.probing !== standing.probing;
  return { isChanged: isChanged || pauses, next, verdict: { counted, change, pauses } };
}

export async function list(tx: Tx): Promise<EndpointState[]> {
  return (await tx.all(ALL, [])).map((row) => ({
    endpoint: row.id,
    pausedAt: row.paused_at,
    reason: row.reason,
    health: readHealth(row.health),
  }));
}

/** One that is paused already keeps its time, and has this reason from now on. True: it was not. */
export async function pause(tx: Tx, endpoint: string, reason: string, now: number): Promise<boolean> {
  const { pausedAt } = await read(tx, endpoint);
  tx.write(SET_PAUSED, [endpoint, pausedAt ?? now, reason]);
  return pausedAt === null;
}

/** Ends a pause; one that is failing is probed at once. True: it was paused. */
export async function resume(tx: Tx, endpoint: string): Promise<boolean> {
  const { pausedAt } = await read(tx, endpoint);
  tx.write(SET_PAUSED, [endpoint, null, null]);
  await probeNow(tx, endpoint);
  return pausedAt !== null;
}

/** One that is failing is asked at once, instead of at its next probe. */
export async function probeNow(tx: Tx, endpoint: string): Promise<void> {
  if (!(await read(tx, endpoint)).health?.breaker) return;
  // Another relay judges an answer right now.
  if (!(await tx.holdAnswers(endpoint))) throw new Outdated(`endpoint ${endpoint}`);
  const { health } = await read(tx, endpoint);
  const breaker = health?.breaker;
  if (!breaker) return;
  const dueAt = Math.min(breaker.dueAt, tx.now());
  tx.write(SET_HEALTH, [JSON.stringify({ ...health, breaker: { ...breaker, dueAt } }), endpoint]);
}

/** The clock went back by so much: probes stay as far away as they were. */
export async function bringForward(tx: Tx, by: number): Promise<void> {
  await forward.moveBack(tx, by);
  for (const { id, health } of await tx.all(ALL, [])) {
    if (health !== null) tx.write(SET_HEALTH, [JSON.stringify(movedBack(readHealth(health)!, by)), id]);
  }
}

/** What a clock that was wrong put off for ever is due now. */
export async function mendDue(tx: Tx, now: number): Promise<void> {
  for (const { id, health } of await tx.all(ALL, [])) {
    const { breaker, ...rest } = readHealth(health) ?? { breaker: null };
    if (breaker === null || breaker.dueAt < LATEST_TIME) continue;
    tx.write(SET_HEALTH, [
      JSON.stringify({ ...rest, since: now, breaker: { ...breaker, since: now, dueAt: now } }),
      id,
    ]);
  }
}
