import { readStrangers, type Stranger } from "../../actions/alarms/strangers.ts";
import { formatCount, relativeTime } from "../../actions/format.ts";
import type { Store } from "../../store/store.ts";
import { type Finding, of, ok, warning } from "../probe.ts";

/** The most refused requests of allowed senders that are counted, for each reason. */
const AT_MOST = 100;

/** How many addresses are named. */
const NAMED = 3;

/** Requests of allowed senders, which a wrong setting refused: their events are lost to the apps. */
const BAD_REQUESTS = [
  { reason: "token", what: "for the token in their path", advice: "give Wochit the address with receive.token in it" },
  { reason: "size", what: "for their size", advice: "raise receive.maxBody" },
  { reason: "path", what: "for their path", advice: "give Wochit the address with receive.path" },
  { reason: "method", what: "for their method", advice: "look for a redirect on the way: events come by POST" },
  { reason: "request", what: "since they cannot be read", advice: "see the log for why (request refused)" },
] as const;

/** The requests that were refused since then, of other senders and of allowed ones. Times are milliseconds since 1970. */
export async function judgeRefused(
  store: Pick<Store, "quarantined">,
  { since, now }: { since: number; now: number },
): Promise<Finding[]> {
  const findings = (await judgeStrangers(store, { since, now })).map((finding) => of("refused", finding));
  for (const { reason, what, advice } of BAD_REQUESTS) {
    const refused = await store.quarantined({ limit: AT_MOST, since, reason });
    if (refused.length === 0) continue;
    const said = `${countRequests(refused.length)} refused within a day ${what}, the last of ${refused[0]!.sourceAddress}`;
    findings.push(of(reason, warning(said, `${advice}, then wochit-relay quarantine reprocess --reason ${reason}`)));
  }
  return findings;
}

/**
 * A refused private address may be a proxy that is missing in server.trustedProxies, or the provider's. A public one that sends events is
 * most likely a new address of the provider; others send what is no event.
 */
async function judgeStrangers(
  store: Pick<Store, "quarantined">,
  { since, now }: { since: number; now: number },
): Promise<Finding[]> {
  const { strangers, isCut } = await readStrangers(store, since);
  if (strangers.length === 0) return [ok("no address was refused within a day")];
  const proxies = strangers.filter(({ isPrivate }) => isPrivate);
  const senders = strangers.filter(({ isPrivate, events }) => !isPrivate && events > 0);
  const others = strangers.filter(({ isPrivate, events }) => !isPrivate && events === 0);
  const say = (some: Stranger[]) => describe(some, isCut, now);
  const findings: Finding[] = [];
  if (proxies.length > 0) {
    const first = proxies.find(({ events }) => events > 0) ?? proxies[0]!;
    const events = proxies.reduce((sum, each) => sum + each.events, 0);
    const said = `${say(proxies)}, ${events === 0 ? "none" : events} of them with an event: if that is a proxy of yours, or Wochit, your apps lack them`;
    const right = "name a proxy of yours in server.trustedProxies, an address of Wochit's in receive.allowFrom";
    const then = `then wochit-relay reload, then wochit-relay quarantine reprocess --from ${first.address} --since 1d`;
    const look = `look at what it sends: wochit-relay quarantine list --from ${first.address}`;
    findings.push(warning(said, events === 0 ? `${look}; ${right}` : `${right} (never the other way round), ${then}`));
  }
  if (senders.length > 0) {
    const first = senders[0]!.address;
    findings.push(
      warning(
        `${say(senders)}, with events in them: if that is Wochit, your apps lack them`,
        `add ${senders.length === 1 ? "the address" : "the right ones"} to receive.allowFrom, then wochit-relay reload, then wochit-relay quarantine reprocess --from ${first} --since 1d`,
      ),
    );
  }
  if (others.length > 0) findings.push(ok(`${say(others)}, and none of it reads as an event`));
  return findings;
}

/** `15 requests were refused within a day: 12 from 203.0.113.7 (the last 5 min ago), 3 from 203.0.113.9 (…)` */
function describe(strangers: Stranger[], isCut: boolean, now: number): string {
  const total = strangers.reduce((sum, { count }) => sum + count, 0);
  const named = strangers
    .slice(0, NAMED)
    .map(({ address, count, lastAt }) => `${count} from ${address} (the last: ${relativeTime(lastAt, now)})`);
  const rest = strangers.length > NAMED ? `, and ${formatCount(strangers.length - NAMED, "address")} more` : "";
  const said = total === 1 ? "1 request was" : `${total}${isCut ? " or more" : ""} requests were`;
  return `${said} refused within a day: ${named.join(", ")}${rest}`;
}

function countRequests(count: number): string {
  if (count === AT_MOST) return `${AT_MOST} or more requests of allowed senders were`;
  return count === 1 ? "1 request of allowed senders was" : `${count} requests of allowed senders were`;
}
