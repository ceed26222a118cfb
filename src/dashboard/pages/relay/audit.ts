import { audit } from "../../../actions/audit.ts";
import { DEEDS } from "../../../model/audit.ts";
import { isFiltered, readList } from "../../lists.ts";
import type { Page } from "../../page.ts";
import { choicesOf, field, filters, linkButton, SINCE, select } from "../../parts/forms.ts";
import { type Html, html, none } from "../../parts/html.ts";
import { pageOf } from "../../parts/links.ts";
import { notice } from "../../parts/notices.ts";
import { icon } from "../../parts/states.ts";
import { empty, newer, pager, row, table } from "../../parts/tables.ts";
import { clip, number, plain, text } from "../../parts/text.ts";

export const auditPage: Page = {
  path: "/audit",
  section: "/audit",
  async show({ place, query, times }) {
    const { rows, next, given, problem } = await readList(audit, { place, query });
    const heads = [
      ["w-time", "When"],
      ["", "What"],
      ["w-m mid", "Outcome"],
      ["w-m wide", "By"],
      ["w-f wide", "Through"],
    ] as const;
    const body = rows.map(({ id, at, through, by, verb, subject, count, outcome }) => {
      const many = count === null ? none : html` <span class="soft">${number(count)}</span>`;
      const [isDone, came] = outcomeOf(outcome);
      // Where there is no room for a column only what went wrong is said.
      const wrong = !isDone && html`<span class="under narrow">${came}</span>`;
      return row(
        id,
        html`<td>${times.when(at)}</td><td class="main"><b>${text(verb)}</b>${many}${subject !== null && subjectOf(verb, subject)}${wrong}<span class="under narrow">${text(by)}, ${through}</span></td><td class="mid">${came}</td><td class="wide">${clip(by, "id")}</td><td class="wide">${through}</td>`,
      );
    });
    const list = html`${newer("/audit", given)}<div class="card">${table({ caption: "Changes, newest first", heads }, body)}${pager("/audit", given, { shown: rows.length, next })}</div>`;
    const nothing = isFiltered(given)
      ? empty("No change is like that", html`<p class="actions">${linkButton("/audit", "All changes")}</p>`)
      : empty(
          "Nothing was changed yet",
          html`<p>What is changed here, by a command or over the API is entered here.</p>`,
        );
    const form = filters(
      "/audit",
      html`${select("What", "verb", choicesOf(DEEDS), given.verb)}${field("By", "by", given.by)}${select("When", "since", SINCE, given.since)}`,
    );
    return {
      title: "Audit",
      under: html`Every change that a person or a script made, and where from.`,
      shell: ["wochit-relay audit list"],
      content: html`${problem !== null && notice("bad", text(problem, 500))}${form}${problem === null && (rows.length === 0 ? nothing : list)}`,
    };
  },
};

/** Pages by the beginning of an id. */
const PAGES: Record<string, (id: string) => string> = {
  evt: pageOf.event,
  dlv: pageOf.delivery,
  med: pageOf.medium,
  qrn: pageOf.quarantined,
  tsk: pageOf.task,
};

/** What it was done to; as a link where that has a page. Of "evt_… to cms" the event. */
function subjectOf(verb: string, subject: string): Html {
  const [id = "", ...rest] = subject.split(" ");
  const [noun] = verb.split(" ");
  const page = noun === "endpoints" ? pageOf.endpoint : noun === "videos" ? pageOf.video : PAGES[id.split("_", 1)[0]!];
  if (page === undefined) return clip(subject, "under id");
  const named = noun === "videos" ? subject : id;
  const more = noun === "videos" || rest.length === 0 ? "" : ` ${rest.join(" ")}`;
  return html`<span class="clip under id" dir="auto"><a href="${page(named)}">${plain(named)}</a>${plain(more)}</span>`;
}

/** Whether it was done, and what came of it, with a shape: "done", "answered 500", an error. */
function outcomeOf(outcome: string): [isDone: boolean, came: Html] {
  const isDone = /^(done|answered 2\d\d)\b/.test(outcome);
  const tone = isDone ? "good" : "bad";
  return [
    isDone,
    html`<span class="state plain ${tone}">${icon(isDone ? "check" : "cross")}<span>${text(outcome, 300)}</span></span>`,
  ];
}
