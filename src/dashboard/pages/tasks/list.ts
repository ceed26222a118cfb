import { describeFilter, type TaskJson, tasks } from "../../../actions/tasks.ts";
import { readList } from "../../lists.ts";
import type { Page, Visit } from "../../page.ts";
import { act, choicesOf, filters, select } from "../../parts/forms.ts";
import { type Html, html, none } from "../../parts/html.ts";
import { pageOf } from "../../parts/links.ts";
import { notice } from "../../parts/notices.ts";
import { state } from "../../parts/states.ts";
import { empty, newer, pager, row, table } from "../../parts/tables.ts";
import { countWords, hasEnded, progressBar, taskTitle } from "../../parts/tasks/progress.ts";
import { clip, text } from "../../parts/text.ts";

const PATH = "/tasks";

export const tasksPage: Page = {
  path: PATH,
  section: null,
  async show(visit) {
    const { rows, next, given, problem } = await readList(tasks, visit);
    const list = html`${newer(PATH, given)}<div class="card">${taskTable(rows, visit)}${pager(PATH, given, { shown: rows.length, next })}</div>`;
    const nothing = empty(
      "No task is like that",
      html`<p>What is done to many at once is a task: a retry of all that are dead, a replay of a day, a check of all copies. It begins from a list, with a count that is confirmed.</p>`,
    );
    return {
      title: "Tasks",
      under: html`What is, or was, done to many at once, newest first. They go on after a restart.`,
      shell: ["wochit-relay deliveries retry --state dead --dry-run"],
      content: html`${problem !== null && notice("bad", text(problem, 500))}${form(given)}${problem === null && (rows.length > 0 ? list : nothing)}`,
    };
  },
};

function taskTable(rows: TaskJson[], visit: Visit): Html {
  const heads = [
    ["", "Task"],
    ["w-s wide", "State"],
    ["w-s wide", "By"],
    ["w-time wide", "Made"],
    ["w-f", html`<span class="sr">Act</span>`],
  ] as const;
  const cells = rows.map((one) => {
    const { id, by, createdAt, filter } = one;
    const stop = hasEnded(one) ? none : act(visit, `${pageOf.task(id)}/cancel`, "Stop", { kind: "tiny", about: id });
    const of = describeFilter(filter);
    return row(
      id,
      html`<td class="main"><a href="${pageOf.task(id)}">${taskTitle(one)}</a>${progressBar(one)}<span class="under">${countWords(one)}</span>${of !== "" && clip(of, "under id")}<span class="narrow">${state(one.state)}</span><span class="under narrow">${visit.times.sinceOfRow(createdAt)}</span></td><td class="wide">${state(one.state)}</td><td class="wide">${clip(by)}</td><td class="wide nowrap">${visit.times.when(createdAt)}</td><td class="num">${stop}</td>`,
    );
  });
  return table({ caption: "Tasks, newest first", heads }, cells);
}

const form = ({ state, verb }: Record<string, string>): Html =>
  filters(
    PATH,
    html`${select("State", "state", choicesOf(tasks.filters.state.words), state)}${select("Verb", "verb", choicesOf(tasks.filters.verb.words), verb)}`,
  );
