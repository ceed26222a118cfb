import { refusalOf } from "../../platform/net/addresses.ts";
import type { Store } from "../../store/store.ts";
import { type Finding, of, ok, warning } from "../probe.ts";

/** The most refused requests that are counted. */
const AT_MOST = 100;

/** Requests of allowed senders, which a wrong setting refused: their events are lost to the apps. */
const BAD_REQUESTS = [
  { reason: "token", what: "for the token in their path", advice: "give Wochit the address with receive.token in it" },
  { reason: "size", what: "for their size", advice: "raise receive.maxBody" },
  { reason: "path", what: "for their path", advice: "give Wochit the address with receive.path" },
  { reason: "method", what: "for their method", advice: "look for a redirect on the way: events come by POST" },
  { reason: "request", what: "since they cannot be read", advice: "see the log for why (request refused)" },
] as const;

/** The requests that were refused since then, of other senders and of allowed ones. */
export async function judgeRefused(store: Pick<Store, "quarantined">, since: number): Promise<Finding[]> {
  const findings = [of("refused", await judgeStrangers(store, since))];
  for (const { reason, what, advice } of BAD_REQUESTS) {
    const refused = await store.quarantined({ limit: AT_MOST, since, reason });
    if (refused.length === 0) continue;
    const count = countRequests(refused.length, " of allowed senders");
    const said = `${count} refused within a day ${what}, the last of ${refused[0]!.sourceAddress}`;
    findings.push(of(reason, warning(said, `${advice}, then wochit-relay quarantine reprocess`)));
  }
  return findings;
}

/** A refused private address is most likely a proxy that is missing in server.trustedProxies. */
async function judgeStrangers(store: Pick<Store, "quarantined">, since: number): Promise<Finding> {
  const refused = await store.quarantined({ limit: AT_MOST, since, reason: "source" });
  const addresses = [...new Set(refused.map(({ sourceAddress }) => sourceAddress))];
  if (addresses.length === 0) return ok("no address was refused within a day");
  const proxies = addresses.filter((address) => refusalOf(address, false) !== null);
  const list = (proxies.length > 0 ? proxies : addresses).slice(0, 3).join(", ");
  const said = `${countRequests(refused.length)} refused within a day, the last of ${list}`;
  if (proxies.length === 0) return ok(said);
  return warning(
    `${said}: if that is a proxy of yours, the events behind it are lost to your apps`,
    "name it in server.trustedProxies, then wochit-relay quarantine reprocess",
  );
}

function countRequests(count: number, whose = ""): string {
  if (count === AT_MOST) return `${AT_MOST} or more requests${whose} were`;
  return count === 1 ? `1 request${whose} was` : `${count} requests${whose} were`;
}
