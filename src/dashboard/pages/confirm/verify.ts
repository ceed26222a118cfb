import * as v from "valibot";
import { copyFilters } from "../../../actions/media.ts";
import { startRun } from "../../../actions/tasks.ts";
import { check } from "../../../admin/check.ts";
import { filterEntries, rangeEntries, timesOf } from "../../../admin/query.ts";
import { RelayError } from "../../../errors.ts";
import type { Form, Visit } from "../../page.ts";
import { html, type Piece } from "../../parts/html.ts";
import { pageOf } from "../../parts/links.ts";
import { number, text } from "../../parts/text.ts";
import { backOf, consequences, type Question, questionForm } from "./question.ts";

// Reading the copies again: which of them, and what is done about those that are wrong.

const entries = { ...filterEntries(copyFilters), ...rangeEntries };

function readOptions({ fields }: Form, { place }: Visit) {
  const given = Object.fromEntries(Object.entries(fields).filter(([name]) => name in entries));
  const { since, until, ...filter } = check(v.strictObject(entries), given, "invalid_query") as Record<string, unknown>;
  return { given, options: { ...filter, ...timesOf({ since, until }, place.ports.clock.now(), "invalid_query") } };
}

export const verify: Question = {
  async ask(visit, form) {
    const { given } = readOptions(form, visit);
    const { media } = await visit.place.store.counts();
    const back = backOf(form, "/media");
    const named = Object.entries(given).map(([name, value]): Piece => html`, ${name} ${text(value, 200)}`);
    const which = named.length === 0 ? html`All ${number(media.mirrored ?? 0)} copies` : html`The copies${named}`;
    const said = html`<p>${which} are read from where they lie, and compared with what was kept of them.</p>${consequences(
      [
        "It takes as long as reading them all takes; the relay works on meanwhile, and you may cancel it at any time.",
        "What is missing or damaged is counted, and named on the page of the task.",
        "It is written to the audit, with your address.",
      ],
    )}`;
    const more = html`<label class="check"><input type="checkbox" name="mend" value="true"> Download again what is missing or damaged, where its link is alive</label><label class="pace">At most so many MiB a second <input name="rate" type="number" min="1" max="100000" step="1" placeholder="no limit"></label>`;
    const fields = { ...given, do: "verify", to: back };
    return {
      title: "Verify the copies?",
      live: false,
      crumbs: html`<a href="${back}">Media</a>`,
      shell: ["wochit-relay media verify"],
      content: questionForm({ fields, said, more, button: "Verify the copies", back }),
    };
  },

  async answer(visit, form) {
    const { store, ports } = visit.place;
    const { mend, rate } = form.fields;
    if (rate !== undefined && !/^[1-9]\d{0,5}$/.test(rate))
      throw new RelayError("bad_request", "a rate is a whole number");
    const options = {
      ...readOptions(form, visit).options,
      ...(mend === "true" && { mend: true }),
      ...(rate !== undefined && { rate: Number(rate) * 2 ** 20 }),
    };
    const by = `dashboard ${visit.visitor.by}`;
    const { id } = await startRun(store, { verb: "verify", options, by }, ports.clock.now());
    return { to: pageOf.task(id), notice: "verifying" };
  },
};
