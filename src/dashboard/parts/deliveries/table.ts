import type { DeliveryJson } from "../../../actions/json.ts";
import { type Html, html } from "../html.ts";
import { pageOf } from "../links.ts";
import { icon, shapeOf, shownState, state, toneOf } from "../states.ts";
import { type Head, row, table } from "../tables.ts";
import { clip, number, text, typeName } from "../text.ts";
import type { Times } from "../times.ts";
import { waitBriefly } from "./waits.ts";

/** A delivery as lists have it, with its video's title. */
export type DeliveryRow = DeliveryJson & { title: string | null };

type Shape = {
  caption: string;
  times: Times;
  /** A box before each row, named "id". */
  canChoose: boolean;
  /** They are in several states. */
  isMixed: boolean;
  /** False where all are to one endpoint. */
  hasEndpoint?: boolean;
};

/** A table of deliveries. */
export function deliveryTable(rows: DeliveryRow[], shape: Shape): Html {
  const { caption, canChoose, isMixed, hasEndpoint = true } = shape;
  const heads: Head[] = [
    ...(canChoose ? [["w-box", html`<span class="sr">Select</span>`] as const] : []),
    ["", "Event"],
    ...(hasEndpoint ? [["w-s wide", "Endpoint"] as const] : []),
    ["w-n num mid", "Tries"],
    ["w-way wide", isMixed ? "State" : "Why"],
    ["w-time wide", "Made"],
  ];
  return table(
    { caption, heads },
    rows.map((one) => deliveryRow(one, shape)),
  );
}

function deliveryRow(one: DeliveryRow, shape: Shape): Html {
  const { times, canChoose, hasEndpoint = true } = shape;
  const { id, type, title, endpoint, attempts, createdAt, replay } = one;
  const why = whyOf(one, shape);
  const box = html`<td><label class="box"><input type="checkbox" name="id" value="${id}" aria-label="Select ${id}"></label></td>`;
  return row(
    id,
    html`${canChoose && box}<td class="main"><a href="${pageOf.delivery(id)}">${typeName(type)}</a>${replay && html` <span class="soft small">a replay</span>`}${title !== null && clip(title, "under")}<span class="wide">${clip(id, "under id")}</span><span class="under narrow">${hasEndpoint && html`${text(endpoint)}, `}${times.sinceOfRow(createdAt)}</span><div class="narrow">${why}</div></td>
${hasEndpoint && html`<td class="wide"><a class="clip" dir="auto" href="${pageOf.endpoint(endpoint)}">${endpoint}</a></td>`}<td class="num mid">${number(attempts)}</td>
<td class="wide">${why}</td>
<td class="wide nowrap">${times.when(createdAt)}</td>`,
  );
}

/** In few words: what it failed with, and what it waits for. */
function whyOf(one: DeliveryRow, { times, isMixed }: Shape): Html {
  const { lastError, waitsFor } = one;
  const word = shownState(one);
  const hasEnded = word === "delivered" || word === "superseded" || word === "canceled";
  const words: Html[] = [];
  if (lastError !== null && !hasEnded) words.push(text(lastError));
  if (waitsFor !== null) words.push(waitBriefly(waitsFor, times));
  const [first, ...rest] = words;
  const under = (all: Html[]) => all.map((one) => html`<span class="under">${one}</span>`);
  // Where all are in one state the words are enough.
  if (isMixed || first === undefined) return html`${state(word)}${under(words)}`;
  return html`<span class="state plain ${toneOf(word)}">${icon(shapeOf(word), word)}<span>${first}</span></span>${under(rest)}`;
}
