import { type EndpointJson, listEndpoints } from "../actions/endpoints.ts";
import { relativeTime } from "../actions/format.ts";
import type { Config } from "../config/schema.ts";
import type { Store } from "../store/store.ts";
import { type Finding, failed, of, ok, warning } from "./probe.ts";

const HOUR = 3_600_000;

/** The deliveries that wait or are dead, by endpoint. */
export async function judgeDeliveries(
  store: Pick<Store, "endpoints" | "counts">,
  config: Pick<Config, "endpoints">,
): Promise<Finding[]> {
  const endpoints = await listEndpoints(store, config);
  const held = new Set(config.endpoints.filter(({ paused }) => paused).map(({ id }) => id));
  return endpoints.flatMap((endpoint) =>
    judgeWaiting(endpoint, held.has(endpoint.id)).map((finding) => of(endpoint.id, finding)),
  );
}

function judgeWaiting(
  { id, state, reason, failingSince, waiting, pending, running, dead }: EndpointJson,
  isPausedByConfig: boolean,
): Finding[] {
  const open = waiting + pending + running;
  const findings: Finding[] = [];
  if (state === "paused") {
    const line = `paused${reason ? ` (${reason})` : ""}, and ${open} wait for it`;
    const advice = isPausedByConfig ? 'take "paused" out of the config' : `wochit-relay endpoints resume ${id}`;
    findings.push(warning(line, advice));
  }
  if (state === "failing") {
    const line = `it is failing since ${failingSince} (${reason}): it gets probes only, and ${open} wait for it`;
    findings.push(warning(line, `mend it; the rest follows by itself. wochit-relay endpoints test ${id} asks it now`));
  }
  if (state === "removed" && open > 0) {
    const line = `it is no longer in the config, and ${open} are held for it`;
    findings.push(warning(line, `put it back, or wochit-relay deliveries cancel --endpoint ${id}`));
  }
  if (dead > 0) {
    const filter = `--endpoint ${id} --state dead`;
    const advice = `wochit-relay deliveries list ${filter} shows why, deliveries retry ${filter} sends them again`;
    findings.push(warning(`${dead} are dead: their last attempt failed`, advice));
  }
  if (findings.length > 0 || state === "removed") return findings;
  return [ok(open === 0 ? "nothing waits" : `${open} on their way`)];
}

/** The media link that expires next of those without a copy. */
export async function judgeDeadline(store: Pick<Store, "media">, now: number): Promise<Finding> {
  const [next] = await store.media({ limit: 1, byDeadline: true });
  if (next === undefined) return ok("no link has to be saved");
  const { id, kind, deadline, lastError } = next;
  const what = `${kind} ${id}`;
  const why = lastError === null ? "" : `; the last try: ${lastError}`;
  const advice = "wochit-relay media list --by deadline; is the relay running, and does it reach that host?";
  if (deadline <= now) return failed(`the link of ${what} died ${relativeTime(deadline, now)}, unsaved${why}`, advice);
  const line = `the next link to die is that of ${what}, ${relativeTime(deadline, now)}${why}`;
  return deadline - now < HOUR ? warning(line, advice) : ok(line);
}
