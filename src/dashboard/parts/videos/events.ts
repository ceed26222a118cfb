import type { EventRow } from "../events.ts";
import { type Html, html } from "../html.ts";
import { pageOf } from "../links.ts";
import { sendsBriefly, worstOf } from "../sends.ts";
import { icon, shapeOf, toneOf } from "../states.ts";
import { number, typeName } from "../text.ts";
import type { Times } from "../times.ts";

// A video's events in order, with autosaves that all arrived as one line.

/** Autosaves that stand one by one; more than that, one after the other, are folded. */
const FEW = 3;

const isQuiet = ({ type, around }: EventRow) =>
  type === "draft.update" && around.deliveries.every(({ state }) => state === "delivered" || state === "superseded");

/** Newest first. */
export function eventLine(rows: EventRow[], times: Times): Html {
  const steps: Html[] = [];
  for (let at = 0; at < rows.length; ) {
    let end = at;
    while (end < rows.length && isQuiet(rows[end]!)) end++;
    if (end - at > FEW) steps.push(folded(rows.slice(at, end)));
    else for (end = Math.max(end, at + 1); at < end; at++) steps.push(eventStep(rows[at]!, times));
    at = end;
  }
  return html`<ol class="line card">${steps}</ol>`;
}

function folded(rows: EventRow[]): Html {
  const [newest, oldest] = [rows[0]!.sequence, rows.at(-1)!.sequence];
  return html`<li><span class="at">#${newest} to #${oldest}</span><span class="dot">${icon("dash")}</span><div class="said"><span class="soft">${number(rows.length)} autosaves, all delivered</span></div></li>`;
}

function eventStep({ id, receivedAt, type, dialect, sequence, around }: EventRow, { at }: Times): Html {
  const word = worstOf(around.deliveries);
  const name = html`<a href="${pageOf.event(id)}">${typeName(type, dialect === "legacy")}</a>${sequence !== null && html` <span class="soft">#${sequence}</span>`}`;
  return html`<li class="${toneOf(word)}">${at(receivedAt)}<span class="dot">${icon(shapeOf(word), word)}</span><div class="said"><span>${name}</span>${around.deliveries.length > 0 && sendsBriefly(around.deliveries)}</div></li>`;
}
