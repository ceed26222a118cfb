import { formatSize } from "../../../actions/format.ts";
import { describeTries, triesOf } from "../deliveries/standing.ts";
import { act, linkButton } from "../forms.ts";
import { type Html, html, none, type Piece } from "../html.ts";
import { confirmOf, pageOf } from "../links.ts";
import { shownState, state } from "../states.ts";
import { pairs, row, table } from "../tables.ts";
import { clip, copy, id as idText, text } from "../text.ts";
import type { Times } from "../times.ts";
import type { ToldDelivery, ToldMedium } from "./tell.ts";

// What belongs to an event: the links of its copies, its deliveries.

/** Where each medium can be had for good, or why not. */
export function durableLinks(media: ToldMedium[]): Html {
  const shown = media.map((one): readonly [Piece, Piece] => {
    const { id, kind, state: word, bytes, url, lastError, suspect } = one;
    const name = kind === "video" ? "the video" : "the thumbnail";
    const link =
      url === null
        ? none
        : html`<br><a class="id" href="${url}" rel="noreferrer">${text(url, 300)}</a> ${copy(url, `the link of ${name}`)}`;
    const why =
      word !== "mirrored" && lastError !== null && html`<br><span class="soft">${text(lastError, 300)}</span>`;
    const odd = suspect !== null && html`<br>${state("suspect")} <span class="soft">${text(suspect, 300)}</span>`;
    return [
      html`<a href="${pageOf.medium(id)}">${kind}</a>`,
      html`${state(word)}${bytes !== null && html` ${formatSize(bytes)}`}${link}${why}${odd}`,
    ];
  });
  const content = media.length === 0 ? html`<p class="soft">It announced no media.</p>` : pairs(shown);
  return html`<section id="part-links" data-part aria-labelledby="links"><h2 id="links">Durable links</h2><div class="card pad">${content}</div></section>`;
}

/** The states in which a delivery can be attempted again, and given up. */
const RETRIED = ["dead", "canceled", "waiting", "pending"];
const CANCELED = ["waiting", "pending", "running"];

/** Its deliveries, newest first. `here`: the page that they stand on; `further`: the page of all, where there are more. */
export function deliveriesOf(
  deliveries: ToldDelivery[],
  visit: { can: "read" | "operate"; times: Times; here: string },
  further: string | null,
): Html {
  const { at } = visit.times;
  const rows = deliveries.map((one) => {
    const { id, endpoint, createdAt, replay, lastError, state: word } = one;
    const retry =
      RETRIED.includes(word) &&
      act(visit, `${pageOf.delivery(id)}/retry`, "Retry", { kind: "tiny", fields: { to: visit.here }, about: id });
    const cancel =
      CANCELED.includes(word) &&
      visit.can === "operate" &&
      linkButton(confirmOf("cancel", { id, to: visit.here }), html`Cancel…<span class="sr"> ${id}</span>`, "tiny");
    const failed = word !== "delivered" && lastError !== null && html`, ${text(lastError, 120)}`;
    const tries = triesOf(one).all > 0 && html`<span class="under">${describeTries(one)}${failed}</span>`;
    return row(
      id,
      html`<td class="main"><a class="clip" dir="auto" href="${pageOf.delivery(id)}">${endpoint}</a>${clip(id, "under id")}<span class="under">${replay ? "a replay, made" : "made"} ${at(createdAt, { relative: true })}</span></td>
<td>${state(shownState(one))}${tries}</td><td class="num mid"><div class="actions">${retry}${cancel}</div></td>`,
    );
  });
  const heads = [
    ["", "To"],
    ["w-s", "State"],
    ["w-m mid", html`<span class="sr">Act</span>`],
  ] as const;
  const list = table({ caption: "Deliveries of this event, newest first", heads }, rows);
  const all =
    further !== null &&
    html`<div class="more"><span>${deliveries.length} of more</span><a class="button tiny" href="${further}">All of them</a></div>`;
  const none_ = html`<div class="card pad"><p class="soft">No endpoint asked for it by its events and filter.</p></div>`;
  const content = deliveries.length === 0 ? none_ : html`<div class="card">${list}${all}</div>`;
  return html`<section id="part-deliveries" data-part aria-labelledby="deliveries"><h2 id="deliveries">Deliveries</h2>${content}</section>`;
}

/** Ids to copy. */
export const ids = (all: readonly (readonly [name: string, id: string, href?: string])[]): Html =>
  html`<section aria-labelledby="ids"><h2 id="ids">Ids</h2><div class="card pad">${pairs(all.map(([name, id, href]): readonly [Piece, Piece] => [name, html`${href === undefined ? idText(id) : html`<a href="${href}">${idText(id)}</a>`} ${copy(id, `the id of the ${name}`)}`]))}</div></section>`;
