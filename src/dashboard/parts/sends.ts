import type { VideoAround } from "../../model/around.ts";
import { type Html, html, none } from "./html.ts";
import { chip, icon, plainChip, shownState } from "./states.ts";

// What an event's endpoints and media have come to.

type Sent = { endpoint: string; state: string; attempts: number };

const RANKS = ["dead", "retrying", "running", "pending", "waiting", "canceled", "superseded", "delivered"];

const byWorst = (sent: Sent[]): [name: string, word: string][] =>
  sent
    .map((one): [string, string] => [one.endpoint, shownState(one)])
    .sort((a, b) => RANKS.indexOf(a[1]) - RANKS.indexOf(b[1]));

/** The worst of some deliveries, as a word; "settled": all were delivered, or there are none. */
export function worstOf(sent: Sent[]): string {
  const [[, word] = ["", "settled"]] = byWorst(sent);
  return word === "delivered" ? "settled" : word;
}

/** On a page of one thing: every endpoint by name, the worst first. */
export const sends = (sent: Sent[]): Html =>
  html`<span class="states">${byWorst(sent).map(([name, word]) => chip(name, word))}</span>`;

/** In a list: by name only what is not delivered, the worst first; the rest as a number, so that rows stay calm. */
export function sendsBriefly(sent: Sent[]): Html {
  if (sent.length === 0) return html`<span class="soft">none</span>`;
  const open = byWorst(sent).filter(([, word]) => word !== "delivered");
  const done = sent.length - open.length;
  const words = open.length > 0 ? `${done} delivered` : done === 1 ? "delivered" : `all ${done} delivered`;
  const rest = done === 0 ? none : html`<span class="state plain good">${icon("check")}<span>${words}</span></span>`;
  const more = open.length > 3 ? html`<span class="soft">and ${open.length - 3} more</span>` : none;
  return html`<span class="states">${open.slice(0, 3).map(([name, word]) => chip(name, word))}${more}${rest}</span>`;
}

/** The media of an event by their kinds. */
export const mediaBriefly = (media: { kind: string; state: string }[]): Html =>
  media.length === 0
    ? html`<span class="soft">none</span>`
    : html`<span class="states">${media.map(({ kind, state }) => plainChip(kind, state))}</span>`;

/** Of a video, in a list: which apps lack something of it, the worst first. Undefined: it is not known. */
export function lacksBriefly(lacking: VideoAround["lacking"] | undefined): Html {
  if (lacking === undefined) return html`<span class="soft">–</span>`;
  if (lacking.length === 0) {
    return html`<span class="state plain good">${icon("check")}<span>nothing is missing</span></span>`;
  }
  const wordOf = ({ dead, failed }: VideoAround["lacking"][number]) =>
    dead > 0 ? "dead" : failed > 0 ? "retrying" : "pending";
  const all = lacking.map((one) => [one.endpoint, wordOf(one)] as const);
  all.sort((a, b) => RANKS.indexOf(a[1]) - RANKS.indexOf(b[1]));
  const more = all.length > 3 && html`<span class="soft">and ${all.length - 3} more</span>`;
  return html`<span class="states">${all.slice(0, 3).map(([name, word]) => chip(name, word))}${more}</span>`;
}
