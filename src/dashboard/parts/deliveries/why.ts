import type { showDelivery } from "../../../actions/deliveries.ts";
import { type Html, html, type Piece } from "../html.ts";
import { pageOf } from "../links.ts";
import { shownState, toneOf } from "../states.ts";
import { text } from "../text.ts";
import type { Times } from "../times.ts";
import { whyCard } from "../why.ts";
import { outcomeOf } from "./attempts.ts";
import { answered, comesNext, helpOf, isLacking, type Standing, toneOfStanding } from "./standing.ts";

/** As its page has it. */
export type ShownDelivery = Awaited<ReturnType<typeof showDelivery>>["delivery"] & Pick<Standing, "ahead">;

/** One box: whether its endpoint has it, why not, and what can be done. */
export function whyBox(delivery: ShownDelivery, { times, can }: { times: Times; can: "read" | "operate" }): Html {
  const help = can === "read" ? [] : helpOf(delivery, { can }, { here: pageOf.delivery(delivery.id), isOnly: true });
  if (!isLacking(delivery)) {
    const [title, words] = ended(delivery, times);
    return whyCard(toneOf(shownState(delivery)), title, html`<p>${words}</p>`, help);
  }
  const endpoint = text(delivery.endpoint);
  const yet = delivery.state !== "dead" && " yet";
  const said = html`${answered(delivery, endpoint, times)}<p>${comesNext(delivery, endpoint, times)}</p>`;
  return whyCard(toneOfStanding(delivery), html`Why ${endpoint} does not have it${yet}`, said, help);
}

function ended(delivery: ShownDelivery, times: Times): [title: Html, words: Piece] {
  const endpoint = text(delivery.endpoint);
  const last = delivery.attemptLog.at(-1);
  if (delivery.state === "canceled") {
    return [html`${endpoint} does not get it`, "It was canceled. A retry sends it after all."];
  }
  if (delivery.state === "superseded") return [html`${endpoint} gets another instead`, instead(delivery)];
  const answer =
    last && html`It answered <b>${text(outcomeOf(last))}</b> ${times.at(last.startedAt, { relative: true })}.`;
  return [html`${endpoint} has it`, answer ?? "Its attempts are no longer kept."];
}

const instead = ({ supersededBy: by }: ShownDelivery): Html =>
  by === null
    ? html`A newer one says what it would have said.`
    : html`<a class="id" href="${pageOf.delivery(by)}">${by}</a> stands in its place.`;
