import { waitWords } from "../deliveries/waits.ts";
import { act, linkButton } from "../forms.ts";
import { type Html, html, none } from "../html.ts";
import { confirmOf, pageOf } from "../links.ts";
import type { Tone } from "../states.ts";
import { number, text } from "../text.ts";
import type { Times } from "../times.ts";
import type { ToldDelivery } from "./tell.ts";

// Why an endpoint does not have an event, in one box: what it answered, what holds the delivery, and what one can do.

/** Characters of an answer in a sentence. */
const BRIEF = 160;

/** Endpoints that have words of their own. */
const TOLD = 4;

/** `here`: the page that it stands on, which a retry comes back to. */
type Visit = { can: "read" | "operate"; times: Times; here: string };

/** Nothing where each endpoint has it, or is not to have it any more. */
export function whyBox(newest: ToldDelivery[], visit: Visit): Html {
  const open = newest
    .filter(({ state }) => ["dead", "pending", "running", "waiting"].includes(state))
    .sort((a, b) => rank(a) - rank(b));
  const [first] = open;
  if (first === undefined) return none;
  const title = open.length === 1 ? html`${text(first.endpoint)} does` : html`${open.length} endpoints do`;
  const told = open.slice(0, TOLD).map((one) => {
    const isOnly = open.length === 1;
    const whose = isOnly ? link(one) : html`It`;
    const said = html`${answersOf(one, whose, visit.times)}<p>${nextOf(one, whose, visit.times)}</p>${actions(one, visit, isOnly)}`;
    return isOnly ? said : html`<div class="stack tight"><h3>${link(one)}</h3>${said}</div>`;
  });
  const rest = open.length - TOLD;
  const more = rest > 0 ? html`<p class="soft">And ${number(rest)} more, in the table below.</p>` : none;
  return html`<section class="why ${toneOf(first)}" aria-labelledby="why"><h2 id="why">Why ${title} not have it</h2>${told}${more}</section>`;
}

const RANKS = ["dead", "pending", "running", "waiting"];
const rank = ({ state, attempts }: ToldDelivery) => RANKS.indexOf(state) * 2 - Number(attempts > 0);

function toneOf({ state, attempts, waitsFor }: ToldDelivery): Tone {
  if (state === "dead") return "bad";
  const isHeld = ["removed", "pause", "breaker"].includes(waitsFor?.is ?? "");
  return attempts > 0 || isHeld ? "warn" : "busy";
}

const link = ({ endpoint }: ToldDelivery) => html`<a href="${pageOf.endpoint(endpoint)}">${text(endpoint)}</a>`;

/** What it answered. `whose`: how the endpoint is called in the sentence. */
function answersOf(one: ToldDelivery, whose: Html, { since }: Times): Html {
  const { attempts, attemptLog } = one;
  const last = attemptLog.at(-1);
  if (last === undefined || last.error === null) return none;
  const same = attemptLog.filter(({ error }) => error === last.error).length;
  const all = same >= attempts ? `all ${number(attempts)} attempts` : `the last of ${number(attempts)} attempts`;
  const many = attempts <= 1 ? "the one attempt" : all;
  const said =
    last.status === null
      ? html`${whose} gave no answer to ${many}: <b>${text(last.error)}</b>`
      : html`${whose} answered <b>${last.status}</b> to ${many}`;
  const answer = last.answer?.replace(/\s+/g, " ").trim() ?? "";
  const words = answer === "" ? none : html`: <span class="id">${text(answer, BRIEF)}</span>`;
  return html`<p>${said}, ${attempts > 1 && "the last "}${since(last.startedAt)}${words}</p>`;
}

/** What is next. */
function nextOf(one: ToldDelivery, whose: Html, times: Times): Html {
  const { state, attempts, attemptsLeft, waitsFor } = one;
  if (state === "running") return html`It is being sent now.`;
  if (state === "dead") return html`It is given up: nothing sends it again until you do.`;
  const wait = waitsFor === null ? html`It is sent in a moment.` : html`It waits: ${waitWords(waitsFor, times)}.`;
  const left = attempts > 0 && attemptsLeft !== null && html` ${many(attemptsLeft)} left; nothing is lost.`;
  return html`${attempts === 0 && html`${whose} has not been asked yet. `}${wait}${left}`;
}

const many = (attempts: number) => (attempts === 1 ? "1 attempt is" : `${number(attempts)} attempts are`);

/** What helps, first. */
function actions(one: ToldDelivery, visit: Visit, isOnly: boolean): Html {
  const { id, state, endpoint, waitsFor } = one;
  const about = isOnly ? undefined : `for ${endpoint}`;
  const held = waitsFor?.is;
  const kind = isOnly ? "primary" : "";
  const ask = { kind, fields: { to: visit.here }, ...(about !== undefined && { about }) } as const;
  const retry = act(visit, `${pageOf.delivery(id)}/retry`, held === "gate" ? "Send it without them" : "Retry now", ask);
  const first =
    held === "breaker" || held === "pause" || held === "removed"
      ? linkButton(pageOf.endpoint(endpoint), html`Look at ${text(endpoint)}`, kind)
      : held === "lane"
        ? linkButton(pageOf.delivery(waitsFor!.of!), "Look at what goes first", kind)
        : state === "running" || held === "slot"
          ? none
          : retry;
  const cancel =
    visit.can === "operate" &&
    state !== "dead" &&
    linkButton(confirmOf("cancel", { id, to: visit.here }), "Cancel it…");
  return html`<div class="actions">${first}${cancel}</div>`;
}
