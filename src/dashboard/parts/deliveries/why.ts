import type { showDelivery } from "../../../actions/deliveries.ts";
import { type Html, html, none, type Piece } from "../html.ts";
import { pageOf } from "../links.ts";
import { shownState, toneOf } from "../states.ts";
import { number, text } from "../text.ts";
import type { Times } from "../times.ts";
import { whyCard } from "../why.ts";
import { answerBox, outcomeOf } from "./attempts.ts";
import { waitWords } from "./waits.ts";

export type ShownDelivery = Awaited<ReturnType<typeof showDelivery>>["delivery"];

/** One box: whether its endpoint has it, why not, and what can be done (`actions`). */
export function whyBox(delivery: ShownDelivery, times: Times, actions: Piece[]): Html {
  const word = shownState(delivery);
  const [title, words] = standing(word, delivery, times);
  return whyCard(toneOf(word), title, [failure(word, delivery, times), words], actions);
}

function standing(word: string, delivery: ShownDelivery, times: Times): [title: Html, words: Piece] {
  const { attempts, attemptLog, waitsFor } = delivery;
  const endpoint = text(delivery.endpoint);
  const last = attemptLog.at(-1);
  switch (word) {
    case "delivered": {
      const answer =
        last && html`It answered <b>${text(outcomeOf(last))}</b> ${times.at(last.startedAt, { relative: true })}.`;
      return [html`${endpoint} has it`, html`<p>${answer ?? "Its attempts are no longer kept."}</p>`];
    }
    case "dead": {
      const tries = attempts === 1 ? "1 attempt" : `${number(attempts)} attempts`;
      const words = html`<p>Given up after ${tries}: nothing sends it again until you do.</p>`;
      return [html`${endpoint} does not have it`, words];
    }
    case "running":
      return [html`It is being sent to ${endpoint} now`, none];
    case "canceled":
      return [html`${endpoint} does not get it`, html`<p>It was canceled. A retry sends it after all.</p>`];
    case "superseded":
      return [html`${endpoint} gets another instead`, html`<p>${instead(delivery)}</p>`];
    default: {
      const wait = waitsFor === null ? "It is sent in a moment" : html`It waits: ${waitWords(waitsFor, times)}`;
      return [html`Why ${endpoint} does not have it yet`, html`<p>${wait}. Nothing is lost.</p>`];
    }
  }
}

const instead = ({ supersededBy: by }: ShownDelivery): Html =>
  by === null
    ? html`A newer one says what it would have said.`
    : html`<a class="id" href="${pageOf.delivery(by)}">${by}</a> stands in its place.`;

/** What its last attempt came to, where it did not arrive. */
function failure(word: string, { endpoint, lastError, attemptLog }: ShownDelivery, times: Times): Html {
  const last = attemptLog.at(-1);
  if (lastError === null || ["delivered", "superseded", "canceled"].includes(word)) return none;
  const since = last === undefined ? none : html`, ${times.since(last.startedAt)}`;
  return html`<p>The last attempt failed${since}: <b>${text(lastError, 300)}</b></p>${last && answerBox(last.answer, `What ${endpoint} answered`)}`;
}
