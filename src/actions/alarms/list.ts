import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import { isoTime } from "../json.ts";
import { readFacts } from "./facts.ts";
import { receiverJson, silencesByName } from "./json.ts";
import { ALARMS, type Alarm, type Facts, judgeAlarms, onsetOf, severityOf } from "./judge.ts";

export type AlarmsJson = Awaited<ReturnType<typeof listAlarms>>;

/** Every alarm, and how it is: one line for each endpoint that it stands of; and where alerts go. */
export async function listAlarms(
  store: Store,
  config: Config,
  { clock, relay }: { clock: Clock; relay: Pick<Facts, "isRunning" | "storeTrouble" | "targetTrouble"> },
) {
  const now = clock.now();
  const [facts, kept, receivers] = await Promise.all([
    readFacts(store, config, { now, ...relay }),
    store.alarms(now),
    store.receivers(),
  ]);
  const standing = judgeAlarms(facts);
  const silences = silencesByName(kept.silences);
  /** Without a receiver no relay notes since when one stands. */
  const isNoted = receivers.length > 0 && relay.isRunning;
  const alarms = ALARMS.flatMap((name) => {
    const now = standing.filter((one) => one.name === name);
    const past = kept.alarms.filter((one) => one.name === name);
    const subjects = new Set([...now, ...past].map(({ subject }) => subject));
    const rows = [...subjects].map((subject) => {
      const of = (one: { subject: string | null }) => one.subject === subject;
      return stateOf(now.find(of), past.find(of), { name, subject, isNoted, at: facts.now });
    });
    const quiet = { ...QUIET, name, severity: severityOf(name), subject: null };
    return (rows.length === 0 ? [quiet] : rows).map((row) => ({ ...row, silence: silences.get(name) ?? null }));
  });
  return { alarms, receivers: receivers.map(receiverJson) };
}

const QUIET = {
  ...{ state: "quiet" as AlarmState["state"], since: null as string | null, what: null as string | null },
  toldAt: null as string | null,
};

type AlarmState = Awaited<ReturnType<Store["alarms"]>>["alarms"][number];

/** How one of one subject is: as it stands now, and as it was kept when a relay last looked. */
function stateOf(
  standing: Alarm | undefined,
  kept: AlarmState | undefined,
  { name, subject, isNoted, at }: { name: Alarm["name"]; subject: string | null; isNoted: boolean; at: number },
) {
  const severity = standing?.severity ?? kept?.severity ?? severityOf(name);
  const toldAt = isoTime(kept?.saidAt ?? null);
  const base = { ...QUIET, name, severity, subject, toldAt };
  if (standing === undefined) return kept?.state === "flapping" ? { ...base, ...timesOf(kept), what: kept.what } : base;
  if (kept !== undefined && kept.state !== "quiet") return { ...base, ...timesOf(kept), what: standing.what };
  const isHeld = isNoted && onsetOf(name, at).holds > 0;
  return { ...base, state: isHeld ? ("holding" as const) : ("on" as const), what: standing.what };
}

const timesOf = ({ state, since }: AlarmState) => ({ state, since: isoTime(since) });
