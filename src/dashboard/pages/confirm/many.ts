import { cancelDelivery, retryDelivery } from "../../../actions/deliveries.ts";
import { countMatching, namesNothing, startTask } from "../../../actions/tasks.ts";
import { RelayError } from "../../../errors.ts";
import type { TaskVerb } from "../../../model/task.ts";
import { abortAfter } from "../../../platform/timing.ts";
import type { View } from "../../page.ts";
import { linkButton } from "../../parts/forms.ts";
import { html, none } from "../../parts/html.ts";
import { pageOf, withQuery } from "../../parts/links.ts";
import { empty } from "../../parts/tables.ts";
import { number } from "../../parts/text.ts";
import { factsOf, sampleOf, willOf } from "./facts.ts";
import { backOf, type Question, questionForm } from "./question.ts";
import { replayOptions } from "./replay-options.ts";
import { VERBS } from "./verbs.ts";
import { readWish } from "./wish.ts";

// What is done to many: the count first, and the count is binding.

/** How long a count may take, in milliseconds: a proxy cuts a page off that takes a minute. */
const PATIENCE = 15_000;

const tooMany = () =>
  new RelayError(
    "bad_request",
    "more match than can be counted within 15 s: narrow them down by time or endpoint, or use the command, which counts as long as it takes",
  );

export const many = (verb: TaskVerb): Question => ({
  async ask(visit, form): Promise<View> {
    const asked = await readWish(verb, form, visit.place);
    if (namesNothing(asked.wish)) return unnamed(verb);
    const { button, nouns, list, itemPage } = VERBS[verb];
    const from = asked.ids.length === 1 ? itemPage(asked.ids[0]!) : withQuery(list.path, asked.given);
    const back = backOf(form, from);
    const { store, ports } = visit.place;
    const matching = await abortAfter(PATIENCE, ports.clock, (signal) => countMatching(store, asked.wish, signal), {
      late: tooMany,
      signal: visit.request.signal,
    });
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

/** The address says what is to be done, and not to which. */
function unnamed(verb: TaskVerb): View {
  const { nouns, list } = VERBS[verb];
  return {
    ...{ title: `Nothing is chosen to ${verb}`, status: 400, live: false },
    crumbs: html`<a href="${list.path}">${list.name}</a>`,
    content: empty(
      verb === "replay" ? "Which events are meant?" : `Which ${nouns[1]} are meant?`,
      html`<p>The address says nothing that they have in common. Narrow their list down first; what is then done to all that match is counted here.</p><p class="actions">${linkButton(list.path, list.name)}</p>`,
    ),
  };
}

const counted = (count: number, [one, many]: readonly [string, string]) =>
  `${number(count)} ${count === 1 ? one : many}`;

const PACE = html`<label class="pace">At most so many a second <input name="rate" type="number" min="1" max="1000000" step="1" placeholder="no limit"></label>`;

function rateOf(given: string | undefined): number | null {
  if (given === undefined) return null;
  const rate = Number(given);
  if (!(rate > 0 && rate <= 1_000_000))
    throw new RelayError("bad_request", "a rate is a number from 1 to 1000000 a second");
  return rate;
}
