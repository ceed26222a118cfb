import type { quarantinedJson } from "../../../actions/json.ts";
import { refusalOf } from "../../../platform/net/addresses.ts";
import { linkButton } from "../forms.ts";
import { type Html, html } from "../html.ts";
import { confirmOf, type Query, withQuery } from "../links.ts";
import { type Head, table } from "../tables.ts";
import { id, number, text } from "../text.ts";
import type { Times } from "../times.ts";
import { refusedWords } from "./reasons.ts";

export type RefusedRow = ReturnType<typeof quarantinedJson>;

type Group = { reason: string; address: string; count: number; events: number; last: string };

/** Groups that are shown, those with most first. */
const MOST = 8;

/** By reason and address, of rows that are newest first. */
export function groupsOf(rows: RefusedRow[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { reason, sourceAddress: address, receivedAt, videoId } of rows) {
    const key = `${reason} ${address}`;
    const group = groups.get(key) ?? { reason, address, count: 0, events: 0, last: receivedAt };
    group.count++;
    if (videoId !== null) group.events++;
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count).slice(0, MOST);
}

/** `isMore`: there are more than were counted. */
export function groupTable(
  groups: Group[],
  { selection, isMore, times, can }: { selection: Query; isMore: boolean; times: Times; can: "read" | "operate" },
): Html {
  const heads: Head[] = [
    ["", "Refused for"],
    ["w-m wide", "From"],
    ["w-n num", "Many"],
    ["w-time wide", "The last"],
    ["w-act wide", html`<span class="sr">Act</span>`],
  ];
  const rows = groups.map(({ reason, address, count, events, last }) => {
    const own = { ...selection, reason, source: address };
    const many = `${number(count)}${isMore ? "+" : ""}`;
    const take = can === "operate" && events > 0 && linkButton(confirmOf("reprocess", own), `Reprocess…`, "tiny");
    const read = events === 0 ? "none reads as an event" : `${number(events)} read as events`;
    // No part by itself: where a group has come, the others have other places.
    return html`<tr><td class="main"><a href="${withQuery("/quarantine", own)}">${text(reason)}</a><span class="under">${refusedWords(reason)}; ${read}</span><span class="under narrow">${text(address)}, ${times.sinceOfRow(last)}</span>${take && html`<div class="narrow">${take}</div>`}</td><td class="wide">${id(address)}</td><td class="num">${many}</td><td class="wide nowrap">${times.when(last)}</td><td class="num wide">${take}</td></tr>`;
  });
  const caption = "Refused requests by reason and address";
  return html`<section aria-labelledby="groups"><h2 id="groups" class="sr">By reason and address</h2><div class="card">${table({ caption, heads }, rows)}</div></section>`;
}

/** Events that were refused for a private address: most likely a proxy's. */
export function proxyHint(groups: Group[]): Html | false {
  const found = groups.find(
    ({ reason, address, events }) => reason === "source" && events > 0 && refusalOf(address, false) !== null,
  );
  if (found === undefined) return false;
  const { address, events } = found;
  return html`<section class="why warn" aria-labelledby="proxy"><h2 id="proxy">${number(events)} ${events === 1 ? "event" : "events"} came from ${text(address)}, a private address</h2><p>That is most likely a proxy of yours. Name it in <span class="id">server.trustedProxies</span> and reload: then requests are judged by the address behind it. What was refused can be taken in by a reprocess.</p></section>`;
}
