import { deliveryReasons } from "../../../actions/deliveries.ts";
import { collect } from "../../../actions/list.ts";
import type { Matching, TaskFilter, TaskVerb } from "../../../model/task.ts";
import type { Visit } from "../../page.ts";
import { type Html, html, type Piece } from "../../parts/html.ts";
import { pairs } from "../../parts/tables.ts";
import { number, text } from "../../parts/text.ts";
import { consequences } from "./question.ts";
import { VERBS } from "./verbs.ts";
import type { AskedWish } from "./wish.ts";

// What is known of many before anything is done to them.

/** Reasons, endpoints, and members of the sample, that are shown. */
const SHOWN = 5;

/** How many, of what, since when. */
export async function factsOf(asked: AskedWish, matching: Matching, visit: Visit): Promise<Html> {
  const { wish, given } = asked;
  const { count, oldest, newest, videos, byEndpoint } = matching;
  const { at, now } = visit.times;
  const { nouns } = VERBS[wish.verb];
  const state = given.state ?? (wish.verb === "retry" && wish.filter.ids === undefined ? "dead" : "");
  const whole = html`<p><span class="big">${number(count)}</span> ${state && `${state} `}${count === 1 ? nouns[0] : nouns[1]}, counted ${at(now)}</p>`;
  const range = oldest === newest ? at(oldest ?? now) : html`${at(oldest ?? now)} to ${at(newest ?? now)}`;
  const filters = Object.entries(given).filter(([name]) => !["state", "since", "until"].includes(name));
  const all: (readonly [string, Piece])[] = [
    ...filters.map(([name, value]): readonly [string, Piece] => [NAMES[name] ?? name, text(value, 200)]),
    ["received", range],
    ["of", videos === 1 ? "1 video" : `${number(videos)} videos`],
  ];
  const endpoints = Object.entries(byEndpoint);
  if (endpoints.length > 0 && given.endpoint === undefined) {
    const rest = endpoints.length - SHOWN;
    const named = endpoints.slice(0, SHOWN).map(([id, some]) => html`${text(id, 60)} ${number(some)}`);
    all.push(["to", listed(rest > 0 ? [...named, html`${rest} more endpoints`] : named)]);
  }
  if (wish.verb === "retry" && given.error === undefined && wish.filter.ids === undefined) {
    const { until, ...open } = wish.filter;
    // The end is the question's own unless it was given: without one the reasons are counted by their index.
    const reasons = await reasonsOf(given.until === undefined ? open : { ...open, until }, visit);
    if (reasons.length > 0) all.push(["failed with", reasons]);
  }
  return html`${whole}${pairs(all)}`;
}

const NAMES: Record<string, string> = {
  ...{
    q: "title with",
    type: "type",
    endpoint: "endpoint",
    error: "failed with",
    failedSince: "last failed since",
    context: "context",
    videoId: "video",
  },
  ...{
    eventId: "event",
    contextMissing: "without the context known now",
    status: "status",
    source: "from",
    reason: "reason",
  },
};

async function reasonsOf({ types, states, ...filter }: TaskFilter, { place }: Visit): Promise<Piece[]> {
  const several = {
    ...(types !== undefined && { type: types.join(",") }),
    ...(states !== undefined && { state: states.join(",") }),
  };
  const asked = { ...filter, ...several, limit: SHOWN };
  const reasons = await collect(deliveryReasons.rows(place, asked as Parameters<typeof deliveryReasons.rows>[1]));
  return listed(reasons.map(({ count, error }) => html`${number(count)} × ${text(error, 120)}`));
}

/** With commas between them. */
const listed = (all: Piece[]): Piece[] => all.map((one, index) => html`${index > 0 && ", "}${one}`);

export function willOf({ wish: { verb, newId } }: AskedWish): Html {
  const same = newId
    ? "Each has a new webhook-id: apps take it for another event."
    : "The webhook-id stays the same: an app that keeps it does nothing twice.";
  return consequences([
    ...VERBS[verb].will,
    verb === "replay" && same,
    "It is written to the audit, with your address.",
  ]);
}

export function sampleOf(verb: TaskVerb, { sample, count }: Matching): Html {
  const shown = [...new Set(sample)].slice(0, SHOWN);
  const links = listed(shown.map((id) => html`<a class="id" href="${VERBS[verb].itemPage(id)}">${id}</a>`));
  const words = shown.length === 1 ? "The first: " : `The first ${shown.length}: `;
  return html`<p class="small soft">${count > shown.length && words}${links}</p>`;
}
