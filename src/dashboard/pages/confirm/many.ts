import { cancelDelivery, deliveryReasons, retryDelivery } from "../../../actions/deliveries.ts";
import { collect } from "../../../actions/list.ts";
import { countMatching, startTask } from "../../../actions/tasks.ts";
import { RelayError } from "../../../errors.ts";
import type { Matching, TaskFilter, TaskVerb } from "../../../model/task.ts";
import type { View, Visit } from "../../page.ts";
import { linkButton } from "../../parts/forms.ts";
import { type Html, html, none, type Piece } from "../../parts/html.ts";
import { pageOf, withQuery } from "../../parts/links.ts";
import { empty, pairs } from "../../parts/tables.ts";
import { number, text } from "../../parts/text.ts";
import { backOf, consequences, type Question, questionForm } from "./question.ts";
import { replayOptions } from "./replay-options.ts";
import { VERBS } from "./verbs.ts";
import { type AskedWish, readWish } from "./wish.ts";

// What is done to many: the count first, and the count is binding.

/** Reasons, and members of the sample, that are shown. */
const SHOWN = 5;

export const many = (verb: TaskVerb): Question => ({
  async ask(visit, form): Promise<View> {
    const asked = await readWish(verb, form, visit.place);
    const { button, nouns, list, itemPage } = VERBS[verb];
    const from = asked.ids.length === 1 ? itemPage(asked.ids[0]!) : withQuery(list.path, asked.given);
    const back = backOf(form, from);
    const matching = await countMatching(visit.place.store, asked.wish);
    const { count } = matching;
    const options = verb === "replay" ? replayOptions(visit, asked) : none;
    const crumbs = html`<a href="${back}">${list.name}</a>`;
    if (count === 0) {
      const leave = html`<p>What matched may have been done meanwhile.</p><p class="actions">${linkButton(back, "Back")}</p>`;
      const content = html`${options}${empty(verb === "replay" ? "No event is like that" : `No ${nouns[0]} is like that now`, leave)}`;
      return { title: `Nothing to ${verb}`, live: false, crumbs, content };
    }
    const title = `${button} ${counted(count, nouns)}`;
    const question = questionForm({
      fields: { ...asked.fields, do: verb, expect: count, to: back },
      ids: asked.ids,
      said: html`${await factsOf(asked, matching, visit)}${willOf(asked)}${sampleOf(verb, matching)}`,
      more: verb === "cancel" ? none : PACE,
      button: title,
      kind: verb === "cancel" ? "danger" : "primary",
      back,
    });
    return { title: `${title}?`, live: false, crumbs, content: html`${options}${question}` };
  },

  async answer({ place, visitor }, form) {
    const { store, ports } = place;
    const [only, ...others] = form.all("id");
    if (only !== undefined && others.length === 0 && (verb === "retry" || verb === "cancel")) {
      await (verb === "retry" ? retryDelivery : cancelDelivery)(store, only, ports.clock.now());
      return { to: backOf(form, pageOf.delivery(only)), notice: verb === "retry" ? "retried" : "canceled" };
    }
    const { wish } = await readWish(verb, form, place);
    const { expect, rate } = form.fields;
    if (expect === undefined || !/^\d{1,15}$/.test(expect))
      throw new RelayError("bad_request", "no count was confirmed");
    const bounds = { expect: Number(expect), rate: rateOf(rate) };
    const { id, total } = await startTask(store, wish, { by: `dashboard ${visitor.by}`, ...bounds }, ports.clock);
    return { to: pageOf.task(id), notice: "begun", n: total };
  },
});

const counted = (count: number, [one, many]: readonly [string, string]) =>
  `${number(count)} ${count === 1 ? one : many}`;

/** How many, of what, since when. */
async function factsOf(asked: AskedWish, matching: Matching, visit: Visit): Promise<Html> {
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
    all.push(["to", endpoints.map(([id, some], index) => html`${index > 0 && ", "}${text(id, 60)} ${number(some)}`)]);
  }
  if (wish.verb === "retry" && given.error === undefined && wish.filter.ids === undefined) {
    const reasons = await reasonsOf(wish.filter, visit);
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

async function reasonsOf({ types, ...filter }: TaskFilter, { place }: Visit): Promise<Piece[]> {
  const asked = { ...filter, ...(types !== undefined && { type: types.join(",") }), limit: SHOWN };
  const reasons = await collect(deliveryReasons.rows(place, asked as Parameters<typeof deliveryReasons.rows>[1]));
  return reasons.map(({ count, error }, index) => html`${index > 0 && ", "}${number(count)} × ${text(error, 120)}`);
}

function willOf({ wish: { verb, newId } }: AskedWish): Html {
  const same = newId
    ? "Each has a new webhook-id: apps take it for another event."
    : "The webhook-id stays the same: an app that keeps it does nothing twice.";
  return consequences([
    ...VERBS[verb].will,
    verb === "replay" && same,
    "It is written to the audit, with your address.",
  ]);
}

function sampleOf(verb: TaskVerb, { sample, count }: Matching): Html {
  const shown = [...new Set(sample)].slice(0, SHOWN);
  const links = shown.map(
    (id, index) => html`${index > 0 && ", "}<a class="id" href="${VERBS[verb].itemPage(id)}">${id}</a>`,
  );
  return html`<p class="small soft">${count > shown.length ? `The first ${shown.length}: ` : none}${links}</p>`;
}

const PACE = html`<label class="pace">At most so many a second <input name="rate" type="number" min="1" max="1000000" step="1" placeholder="no limit"></label>`;

function rateOf(given: string | undefined): number | null {
  if (given === undefined) return null;
  const rate = Number(given);
  if (!(rate > 0 && rate <= 1_000_000))
    throw new RelayError("bad_request", "a rate is a number from 1 to 1000000 a second");
  return rate;
}
