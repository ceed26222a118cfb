import { stat } from "node:fs/promises";
import { type EndpointJson, listEndpoints } from "../actions/endpoints.ts";
import { tellSize } from "../actions/format-size.ts";
import { tellWhen } from "../actions/times.ts";
import type { Config } from "../config/schema.ts";
import { refusalOf } from "../platform/net/addresses.ts";
import type { Backup, FailedBackup } from "../store/backups.ts";
import type { Store } from "../store/store.ts";
import type { Place } from "./files/place.ts";
import { type Finding, failed, of, ok, type Probe, warning } from "./probe.ts";

const PATIENCE = 60_000;

/** As many refused requests are counted. */
const AT_MOST = 100;

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

type Reads = Pick<Store, "endpoints" | "counts" | "media" | "quarantined" | "backups">;

/** What the database says of work that waits: probes of it are none where it cannot be opened (null), which is said before. */
export function workProbes(options: {
  config: Pick<Config, "endpoints" | "mirror" | "backup">;
  open(): Promise<Reads | null>;
  place: () => Promise<Place>;
  now(): number;
}): Probe[] {
  const { config, open, place, now } = options;
  const probe = (name: string, look: (store: Reads) => Promise<Finding | Finding[]>): Probe => ({
    name,
    patience: PATIENCE,
    async run() {
      const store = await open();
      return store === null ? [] : look(store);
    },
  });
  return [
    probe("deliveries", async (store) => {
      const endpoints = await listEndpoints(store, config);
      return endpoints.flatMap((endpoint) => judgeEndpoint(endpoint).map((finding) => of(endpoint.id, finding)));
    }),
    probe("senders", async (store) => {
      const since = now() - DAY;
      const senders = of("refused", await judgeRefused(store, since));
      return [senders, ...(await judgeBadRequests(store, since))];
    }),
    probe("media", async (store) => of("deadline", await judgeDeadline(store, now()))),
    probe("backup", async (store) => {
      const last = await store.backups.last();
      const exposed = judgePublic(await store.backups.list(), config.mirror.publicBaseUrl);
      if (exposed !== null) return exposed;
      // One that an operator made may have been taken elsewhere, which is where it is of use.
      if (last?.place === "dir" && !(await isThere(last))) {
        return failed(`the last that was checked, ${last.name}, is gone`, "wochit-relay backup FILE makes one now");
      }
      const tried = config.backup === null ? null : await store.backups.failed();
      if (tried !== null) return judgeFailure(tried, last, now());
      return judgeBackup(last, config.backup, await place(), now());
    }),
  ];
}

function judgeEndpoint({ id, state, reason, waiting, pending, running, dead }: EndpointJson): Finding[] {
  const open = waiting + pending + running;
  const findings: Finding[] = [];
  if (state === "paused") {
    const line = `paused${reason ? ` (${reason})` : ""}, and ${open} wait for it`;
    findings.push(warning(line, `wochit-relay endpoints resume ${id}`));
  }
  if (state === "removed" && open > 0) {
    const line = `it is no longer in the config, and ${open} are held for it`;
    findings.push(warning(line, `put it back, or wochit-relay deliveries cancel --endpoint ${id}`));
  }
  if (dead > 0) {
    const what = `deliveries list --endpoint ${id} --state dead`;
    const advice = `wochit-relay ${what} tells why, deliveries retry --endpoint ${id} --state dead sends them again`;
    findings.push(warning(`${dead} are dead: their last attempt failed`, advice));
  }
  if (findings.length > 0 || state === "removed") return findings;
  return [ok(open === 0 ? "nothing waits" : `${open} on their way`)];
}

/** A private address among those that were refused is most likely a proxy that nobody told the relay of. */
/** What allowed senders sent in vain: theirs are the events, so something is set wrong. */
const BAD_REQUESTS = [
  { reason: "token", what: "for the token in their path", advice: "give Wochit the address with receive.token in it" },
  { reason: "size", what: "for their size", advice: "raise receive.maxBody" },
  { reason: "path", what: "for their path", advice: "give Wochit the address with receive.path" },
  { reason: "method", what: "for their method", advice: "look for a redirect on the way: events come by POST" },
  { reason: "request", what: "since they cannot be read", advice: "see the log for why (request refused)" },
] as const;

async function judgeBadRequests(store: Reads, since: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { reason, what, advice } of BAD_REQUESTS) {
    const refused = await store.quarantined({ limit: AT_MOST, since, reason });
    if (refused.length === 0) continue;
    const said = `${tellMany(refused.length, " of allowed senders")} refused within a day ${what}, the last of ${refused[0]!.sourceAddress}`;
    findings.push(of(reason, warning(said, `${advice}, then wochit-relay quarantine reprocess`)));
  }
  return findings;
}

async function judgeRefused(store: Reads, since: number): Promise<Finding> {
  const refused = await store.quarantined({ limit: AT_MOST, since, reason: "source" });
  const addresses = [...new Set(refused.map(({ sourceAddress }) => sourceAddress))];
  if (addresses.length === 0) return ok("no address was refused within a day");
  const proxies = addresses.filter((address) => refusalOf(address, false) !== null);
  const list = (proxies.length > 0 ? proxies : addresses).slice(0, 3).join(", ");
  const said = `${tellMany(refused.length)} refused within a day, the last of ${list}`;
  if (proxies.length === 0) return ok(said);
  return warning(
    `${said}: if that is a proxy of yours, the events behind it are lost to your apps`,
    "name it in server.trustedProxies, then wochit-relay quarantine reprocess",
  );
}

function tellMany(count: number, whose = ""): string {
  if (count === AT_MOST) return `${AT_MOST} or more requests${whose} were`;
  return count === 1 ? `1 request${whose} was` : `${count} requests${whose} were`;
}

async function judgeDeadline(store: Reads, now: number): Promise<Finding> {
  const [next] = await store.media({ limit: 1, byDeadline: true });
  if (next === undefined) return ok("no link has to be saved");
  const { id, kind, deadline, lastError } = next;
  const why = lastError === null ? "" : `; the last try: ${lastError}`;
  const advice = "wochit-relay media list --by deadline; is the relay running, and does it reach that host?";
  if (deadline <= now)
    return failed(`the link of ${kind} ${id} died ${tellWhen(deadline, now)}, unsaved${why}`, advice);
  const line = `the next link to die is that of ${kind} ${id}, ${tellWhen(deadline, now)}${why}`;
  return deadline - now < HOUR ? warning(line, advice) : ok(line);
}

async function isThere({ name, bytes }: Backup): Promise<boolean> {
  return stat(name).then(
    ({ size }) => size === bytes,
    () => false,
  );
}

/** Backups were put into the target, and now it is public. */
export function judgePublic(backups: Pick<Backup, "place" | "name">[], publicBaseUrl: string | null): Finding | null {
  const there = backups.filter(({ place }) => place === "target");
  if (publicBaseUrl === null || there.length === 0) return null;
  const line = `${there.length} were put into the target, the last ${there[0]!.name}, and that is public now (mirror.publicBaseUrl)`;
  return failed(line, "remove them there; the relay forgets them at its next start");
}

/** The schedule's last try came to nothing. */
export function judgeFailure({ at, error, againAt }: FailedBackup, last: Backup | null, now: number): Finding {
  const had = last === null ? "none was ever checked" : `the last that was checked was made ${tellWhen(last.at, now)}`;
  return failed(
    `the relay's last try, ${tellWhen(at, now)}, failed: ${error}; ${had}`,
    `mend that; the relay tries again at ${new Date(againAt).toISOString()}`,
  );
}

/** How old the last backup is that was opened and checked, against what the config asks for. */
export function judgeBackup(
  last: Backup | null,
  configured: Config["backup"],
  { database }: Pick<Place, "database">,
  now: number,
): Finding {
  const configure = 'set "backup" in the config, or let cron run wochit-relay backup FILE';
  if (last === null) {
    if (configured === null) return warning("none is configured, and none was ever made", configure);
    const age = database === null || database.bornAt <= 0 ? 0 : now - database.bornAt;
    const line = `none was made and checked yet, though backup.every is ${tellSpan(configured.every)}`;
    return age > 2 * configured.every
      ? failed(line, "see the relay's log for why")
      : warning(line, "the relay makes the first");
  }
  const { at, place, name, bytes, events } = last;
  const said = `the last that was checked was made ${tellWhen(at, now)}: ${events} events, ${tellSize(bytes)}, ${name}${place === "target" ? " in the target" : ""}`;
  if (configured === null) return warning(`${said}; none is made by itself`, configure);
  if (now - at > 2 * configured.every) {
    return failed(`${said}; backup.every is ${tellSpan(configured.every)}`, "see the relay's log for why");
  }
  return ok(said);
}

function tellSpan(ms: number): string {
  const units = [
    { name: "d", ms: 86_400_000 },
    { name: "h", ms: 3_600_000 },
    { name: "min", ms: 60_000 },
    { name: "s", ms: 1_000 },
  ];
  const unit = units.find((one) => ms >= one.ms && ms % one.ms === 0) ?? { name: "ms", ms: 1 };
  return `${ms / unit.ms} ${unit.name}`;
}
