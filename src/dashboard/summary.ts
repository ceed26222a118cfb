import { readFacts } from "../actions/alarms/facts.ts";
import { type SilenceJson, silencesByName } from "../actions/alarms/json.ts";
import { type Alarm, type Facts, judgeAlarms } from "../actions/alarms/judge.ts";
import { type Backlog, readBacklog } from "../actions/outcome/backlog.ts";
import type { Place } from "../admin/operation.ts";
import type { Medium } from "../model/medium.ts";
import type { Clock } from "../ports.ts";
import type { Waiting } from "./parts/frame.ts";

/** How long it is kept: each page has its numbers on the side, and none asks for them; milliseconds. */
const KEPT = 3_000;

/** A link that dies within this time is soon; milliseconds. */
const SOON = 6 * 3_600_000;

/** What was refused within this time is new; milliseconds. */
const NEW = 24 * 3_600_000;

const MOST = 100;

/** `silence`: nothing is said of it to those who are far. */
export type ShownAlarm = Alarm & { silence: SilenceJson | null };

/** How things are, for the side of each page and for the overview. `media`: not secured, the nearest deadline first. */
export type Summary = { facts: Facts; alarms: ShownAlarm[]; backlog: Backlog[]; media: Medium[]; waiting: Waiting };

/** At most three seconds old; rejects where the store cannot tell it now. */
export function createSummary(clock: Clock): (place: Place) => Promise<Summary> {
  let kept: { at: number; summary: Promise<Summary> } | null = null;
  return (place) => {
    const at = clock.elapsed();
    if (kept === null || at - kept.at >= KEPT) kept = { at, summary: read(place, clock.now()) };
    return kept.summary;
  };
}

async function read({ store, config, targetTrouble }: Place, now: number): Promise<Summary> {
  const trouble = { isRunning: true, storeTrouble: store.trouble(), targetTrouble: targetTrouble() };
  const [facts, media, refused, { silences }] = await Promise.all([
    readFacts(store, config, { now, ...trouble }),
    store.media({ byDeadline: true, limit: MOST }),
    store.quarantined({ since: now - NEW, limit: MOST }),
    store.alarms(now),
  ]);
  const silenced = silencesByName(silences);
  const alarms = judgeAlarms(facts).map((alarm) => ({ ...alarm, silence: silenced.get(alarm.name) ?? null }));
  const capped = (count: number) => (count >= MOST ? `${MOST}+` : count);
  const waiting = {
    dead: facts.endpoints.reduce((sum, { dead }) => sum + dead, 0),
    failing: facts.endpoints.filter(({ state }) => state === "failing").length,
    soon: capped(media.filter(({ deadline }) => deadline < now + SOON).length),
    refused: capped(refused.length),
  };
  const backlog = await readBacklog(store, facts.endpoints, now);
  return { facts, alarms, backlog, media, waiting };
}
