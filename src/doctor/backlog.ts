import { type EndpointJson, listEndpoints } from "../actions/endpoints.ts";
import { formatSpan } from "../actions/format.ts";
import { type Backlog, describeBacklog, readBacklog } from "../actions/outcome/backlog.ts";
import { describeHeld } from "../actions/outcome/held.ts";
import type { Config } from "../config/schema.ts";
import type { Store } from "../store/store.ts";
import { type Finding, of, ok, START, warning } from "./probe.ts";

/** The deliveries that wait or are dead, by endpoint. `isRunning`: a relay works on the database. */
export async function judgeDeliveries(
  store: Pick<Store, "endpoints" | "counts" | "tallies" | "deliveries" | "heldUp">,
  config: Pick<Config, "endpoints" | "retention">,
  { isRunning, now }: { isRunning: boolean; now: number },
): Promise<Finding[]> {
  const endpoints = await listEndpoints(store, config);
  const backlogs = new Map((await readBacklog(store, endpoints, now)).map((one) => [one.endpoint, one]));
  const held = new Set(config.endpoints.filter(({ paused }) => paused).map(({ id }) => id));
  return endpoints.flatMap((endpoint) =>
    judgeWaiting(endpoint, {
      isPausedByConfig: held.has(endpoint.id),
      isRunning,
      backlog: backlogs.get(endpoint.id),
      bodies: config.retention.bodies,
      now,
    }).map((finding) => of(endpoint.id, finding)),
  );
}

function judgeWaiting(
  { id, state, reason, failingSince, waiting, pending, running, dead }: EndpointJson,
  {
    isPausedByConfig,
    isRunning,
    backlog,
    bodies,
    now,
  }: { isPausedByConfig: boolean; isRunning: boolean; backlog: Backlog | undefined; bodies: number; now: number },
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
    findings.push(
      warning(line, `mend it; the rest follows by itself. wochit-relay endpoints resume ${id} has it asked at once`),
    );
  }
  if (state === "removed" && open > 0) {
    const line = `it is no longer in the config, and ${open} are held for it`;
    findings.push(warning(line, `put it back, or wochit-relay deliveries cancel --endpoint ${id}`));
  }
  if (dead > 0) {
    const filter = `--endpoint ${id} --state dead`;
    const advice = `wochit-relay deliveries list ${filter} shows why, deliveries retry ${filter} sends them again`;
    const line = `${dead} are dead: their last attempt failed; each can be sent again for ${formatSpan(bodies)} after it`;
    findings.push(warning(line, advice));
  }
  if (state === "active" && open > 0 && !isRunning) {
    findings.push(warning(`${open} wait, and no relay runs that would send them`, START));
  }
  if (backlog?.held != null && isRunning) {
    const line = `${describeHeld(backlog.held)}: what comes for it waits until that is taken, is given up, or steps aside`;
    findings.push(warning(line, `wochit-relay events show ${backlog.held.eventId}`));
  }
  if (findings.length > 0 || state === "removed") return findings;
  return [ok(backlog === undefined ? "nothing waits" : `on their way: ${describeBacklog(backlog, now)}`)];
}
