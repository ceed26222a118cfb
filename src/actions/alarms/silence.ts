import { RelayError } from "../../errors.ts";
import { suggest } from "../../rules/nearest.ts";
import type { Store } from "../../store/store.ts";
import { type SilenceJson, silenceJson } from "./json.ts";
import { ALARMS, type AlarmName } from "./judge.ts";

/** Milliseconds. What is to be silent for longer is a matter of the config. */
export const LONGEST_SILENCE = 30 * 86_400_000;

/**
 * Nothing is said of this alarm for `ms` milliseconds; lists and status show it all the same. RelayError("not_found") names the
 * nearest alarm.
 */
export async function silenceAlarm(
  store: Pick<Store, "silenceAlarm">,
  { name, ms, reason }: { name: string; ms: number; reason: string | null },
  now: number,
): Promise<{ name: AlarmName } & SilenceJson> {
  const alarm = knownAlarm(name);
  const silence = { name: alarm, since: now, until: now + ms, reason };
  await store.silenceAlarm(alarm, silence, now);
  return { name: alarm, ...silenceJson(silence) };
}

/** Ends that. RelayError("conflict") for one that is not silenced, "not_found" as above. */
export async function endSilence(
  store: Pick<Store, "endSilence">,
  name: string,
  now: number,
): Promise<{ name: AlarmName }> {
  const alarm = knownAlarm(name);
  await store.endSilence(alarm, now);
  return { name: alarm };
}

function knownAlarm(name: string): AlarmName {
  const found = ALARMS.find((one) => one.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found;
  throw new RelayError("not_found", `no alarm "${name}"${suggest(name, ALARMS)}`);
}
