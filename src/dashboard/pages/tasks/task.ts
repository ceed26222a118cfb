import { cancelTask, describeFilter, showTask, type TaskJson } from "../../../actions/tasks.ts";
import type { Act, Page } from "../../page.ts";
import { act, linkButton } from "../../parts/forms.ts";
import { type Html, html, none, type Piece } from "../../parts/html.ts";
import { pageOf } from "../../parts/links.ts";
import { state, toneOf } from "../../parts/states.ts";
import { facts, pairs } from "../../parts/tables.ts";
import { countWords, hasEnded, listOf, progressBar, taskTitle } from "../../parts/tasks/progress.ts";
import { id, number, text } from "../../parts/text.ts";
import type { Times } from "../../parts/times.ts";
import { whyCard } from "../../parts/why.ts";

export const taskPage: Page = {
  path: "/tasks/:id",
  section: null,
  async show(visit) {
    const { place, path, times } = visit;
    const task = await showTask(place.store, path.id!);
    const own = pageOf.task(task.id);
    const stop = hasEnded(task) ? none : act(visit, `${own}/cancel`, "Stop it");
    const list = listOf(task);
    return {
      title: taskTitle(task),
      crumbs: html`<a href="/tasks">Tasks</a> / ${id(task.id)}`,
      under: html`<span class="meta">${state(task.state)} <span>made ${times.at(task.createdAt, { relative: true })}</span> <span>by ${text(task.by)}</span></span>`,
      shell: [`curl -H "Authorization: Bearer $TOKEN" .../api/v1/tasks/${task.id}`],
      content: html`${progress(task, [stop, list !== null && linkButton(list, "See the list")])}<section id="facts" data-part aria-label="In numbers">${numbers(task)}</section><section aria-labelledby="what"><h2 id="what">What it takes</h2><div class="card pad">${about(task, times)}</div></section>`,
    };
  },
};

/** How far it is, in one box. */
function progress(task: TaskJson, actions: Piece[]): Html {
  const { error, state, failed, verb } = task;
  const tone = state === "done" && failed > 0 ? "warn" : toneOf(state);
  const title = state === "done" && SENDS.has(verb) ? "They are sent again" : TITLES[state];
  const then = state === "done" && SENDS.has(verb) ? " The list says what came of each." : none;
  const said =
    error === null ? none : html`<p>${failed > 0 ? "The last that failed" : "Why"}: <b>${text(error, 1_000)}</b></p>`;
  return whyCard(tone, title, html`${progressBar(task)}<p>${countWords(task)}.${then}</p>${said}`, actions);
}

/** What such a task has done is only begun: an attempt follows. */
const SENDS = new Set<TaskJson["verb"]>(["retry", "replay"]);

const TITLES: Record<TaskJson["state"], string> = {
  queued: "It begins in a moment",
  running: "It is worked on",
  done: "It is done",
  canceled: "It was stopped; what was done stays done",
  failed: "It could not go on",
};

function numbers({ total, done, failed, skipped }: TaskJson): Html {
  const left = total === null ? null : Math.max(0, total - done - failed - skipped);
  return facts([
    {
      name: "Done",
      value: number(done),
      small: total === null ? "it is not known of how many" : `of ${number(total)}`,
    },
    { name: "Failed", value: number(failed), small: failed === 0 ? "none" : "they stay as they were" },
    { name: "Had changed", value: number(skipped), small: "meanwhile, and were left alone" },
    { name: "Left", value: left === null ? "–" : number(left), small: "of what was counted" },
  ]);
}

function about({ filter, ratePerSecond, onlyDead, newId, endedAt }: TaskJson, { at }: Times): Html {
  const words = describeFilter(filter);
  const rows: (readonly [string, Piece])[] = [["filter", words === "" ? "none: all of them" : id(words)]];
  if (onlyDead) rows.push(["only", "where the newest delivery to the endpoint is dead"]);
  if (newId) rows.push(["webhook-id", "a new one for each"]);
  rows.push(["pace", ratePerSecond === null ? "no limit" : `at most ${number(ratePerSecond)} a second`]);
  if (endedAt !== null) rows.push(["ended", at(endedAt, { relative: true })]);
  return pairs(rows);
}

export const taskActs: Act[] = [
  {
    path: "/tasks/:id/cancel",
    page: ({ id }) => pageOf.task(id!),
    async run({ place, path }) {
      await cancelTask(place.store, path.id!, place.ports.clock.now());
      return { to: pageOf.task(path.id!), notice: "stopped" };
    },
  },
];
