import { audit } from "../../../actions/audit.ts";
import { isFiltered, readList } from "../../lists.ts";
import type { Page } from "../../page.ts";
import { field, filters, linkButton, SINCE, select } from "../../parts/forms.ts";
import { html, none } from "../../parts/html.ts";
import { notice } from "../../parts/notices.ts";
import { icon } from "../../parts/states.ts";
import { empty, newer, pager, row, table } from "../../parts/tables.ts";
import { clip, number, text } from "../../parts/text.ts";

export const auditPage: Page = {
  path: "/audit",
  section: "/audit",
  async show({ place, query, times }) {
    const { rows, next, given, problem } = await readList(audit, { place, query });
    const heads = [
      ["w-time", "When"],
      ["", "What"],
      ["w-m wide", "By"],
      ["w-f wide", "Through"],
    ] as const;
    const body = rows.map(({ id, at, through, by, verb, subject, count, outcome }) => {
      const many = count === null ? none : html` <span class="soft">${number(count)}</span>`;
      const isDone = outcome.startsWith("done");
      const wrong = isDone
        ? none
        : html`<span class="under">${icon("cross", "not done", "bad")} ${text(outcome, 300)}</span>`;
      return row(
        id,
        html`<td>${times.when(at)}</td><td class="main"><b>${text(verb)}</b>${many}${subject !== null && clip(subject, "under id")}${wrong}<span class="under narrow">${text(by)}, ${through}</span></td><td class="wide">${clip(by, "id")}</td><td class="wide">${through}</td>`,
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
      html`${field("What", "verb", given.verb, { hint: "deliveries retry" })}${field("By", "by", given.by)}${select("When", "since", SINCE, given.since)}`,
    );
    return {
      title: "Audit",
      under: html`Every change that a person or a script made, and where from.`,
      shell: ["wochit-relay audit list"],
      content: html`${problem !== null && notice("bad", text(problem, 500))}${form}${problem === null && (rows.length === 0 ? nothing : list)}`,
    };
  },
};
