import { answered, comesNext, helpOf, isLacking, toneOfStanding } from "../deliveries/standing.ts";
import { type Html, html, none } from "../html.ts";
import { pageOf } from "../links.ts";
import { number, text } from "../text.ts";
import type { Times } from "../times.ts";
import type { ToldDelivery } from "./tell.ts";

// Why endpoints do not have an event, in one box.

/** Endpoints that have words of their own. */
const TOLD = 4;

/** `here`: the page that it stands on, which a retry comes back to. */
type Visit = { can: "read" | "operate"; times: Times; here: string };

/** Nothing where each endpoint has it, or is not to have it any more. */
export function whyBox(newest: ToldDelivery[], visit: Visit): Html {
  const open = newest.filter(isLacking).sort((a, b) => rank(a) - rank(b));
  const [first] = open;
  if (first === undefined) return none;
  const isOnly = open.length === 1;
  const title = isOnly ? html`${text(first.endpoint)} does` : html`${open.length} endpoints do`;
  const told = open.slice(0, TOLD).map((one) => {
    const whose = isOnly ? link(one) : html`It`;
    const actions = html`<div class="actions">${helpOf(one, visit, { here: visit.here, isOnly })}</div>`;
    const said = html`${answered(one, whose, visit.times)}<p>${comesNext(one, whose, visit.times)}</p>${actions}`;
    return isOnly ? said : html`<div class="stack tight"><h3>${link(one)}</h3>${said}</div>`;
  });
  const rest = open.length - TOLD;
  const more = rest > 0 ? html`<p class="soft">And ${number(rest)} more, in the table below.</p>` : none;
  return html`<section class="why ${toneOfStanding(first)}" aria-labelledby="why"><h2 id="why">Why ${title} not have it</h2>${told}${more}</section>`;
}

const RANKS = ["dead", "pending", "running", "waiting"];
const rank = ({ state, attempts }: ToldDelivery) => RANKS.indexOf(state) * 2 - Number(attempts > 0);

const link = ({ endpoint }: ToldDelivery) => html`<a href="${pageOf.endpoint(endpoint)}">${text(endpoint)}</a>`;
