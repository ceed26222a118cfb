import * as v from "valibot";
import { isoTime } from "../../../actions/json.ts";
import { collect, doToAll, type Selection } from "../../../actions/list.ts";
import { media, mediaToRetry, retriedFilters } from "../../../actions/media.ts";
import { check } from "../../../admin/check.ts";
import { filterEntries, rangeEntries, timesOf } from "../../../admin/query.ts";
import { RelayError } from "../../../errors.ts";
import type { CappedCount } from "../../../store/filters.ts";
import type { Form, Visit } from "../../page.ts";
import { html } from "../../parts/html.ts";
import { withQuery } from "../../parts/links.ts";
import { capped, empty, pairs } from "../../parts/tables.ts";
import { number, text } from "../../parts/text.ts";
import { backOf, consequences, type Question, questionForm } from "./question.ts";

// Downloading many media again: no task does that, so one question takes a bounded number of them.

/** Media of one question, the oldest ones. */
const MOST = 500;

const entries = { ...filterEntries(retriedFilters), ...rangeEntries };

type Wish = Selection<typeof retriedFilters>;

function readWish({ fields }: Form, { place }: Visit): { given: Record<string, string>; wish: Wish } {
  const given = Object.fromEntries(Object.entries(fields).filter(([name]) => name in entries));
  const { since, until, ...filter } = check(v.strictObject(entries), given, "invalid_query") as Record<string, unknown>;
  if (filter.state === undefined) throw new RelayError("bad_request", "the address names no state of media");
  const now = place.ports.clock.now();
  const times = timesOf({ since, until: until ?? isoTime(now) }, now, "invalid_query");
  return { given, wish: { ...filter, ...times } as Wish };
}

const countOf = ({ place }: Visit, wish: Wish): Promise<CappedCount> => media.total!(place, wish);

export const mediaRetry: Question = {
  async ask(visit, form) {
    const { given, wish } = readWish(form, visit);
    const total = await countOf(visit, wish);
    const back = backOf(form, withQuery("/media", given));
    const crumbs = html`<a href="${back}">Media</a>`;
    if (total.count === 0) {
      const content = empty("No medium is like that now", html`<p>They may have been fetched meanwhile.</p>`);
      return { title: "Nothing to retry", live: false, crumbs, content };
    }
    const many = Math.min(total.count, MOST);
    const title = `Retry ${number(many)} ${many === 1 ? "medium" : "media"}`;
    const more =
      total.count > MOST &&
      html`<p>${capped(total)} match: the oldest ${number(MOST)} come first, and then it is asked again.</p>`;
    const others = Object.entries(given).flatMap(([name, value]) =>
      name === "state" ? [] : [[name, text(value, 200)] as const],
    );
    const said = html`<p><span class="big">${number(many)}</span> ${wish.state} ${many === 1 ? "medium" : "media"}, counted ${visit.times.at(visit.times.now)}</p>${more}${others.length > 0 && pairs(others)}${consequences(
      [
        "They are downloaded again, from the first attempt on; a link that has died is tried all the same.",
        "Who was told that there is no copy is told when there is one.",
        "It is written to the audit, with your address.",
      ],
    )}`;
    const fields = { ...given, until: isoTime(wish.until!), do: "media-retry", expect: many, to: back };
    return {
      title: `${title}?`,
      live: false,
      crumbs,
      shell: [`wochit-relay media retry --state ${wish.state}`],
      content: questionForm({ fields, said, button: title, back }),
    };
  },

  async answer(visit, form) {
    const { store, ports } = visit.place;
    const { given, wish } = readWish(form, visit);
    const { expect = "" } = form.fields;
    if (!/^\d{1,9}$/.test(expect)) throw new RelayError("bad_request", "no count was confirmed");
    const ids = (await mediaToRetry(store, wish)).slice(0, MOST);
    if (ids.length > Number(expect)) {
      throw new RelayError("count_changed", `${ids.length} match by now, ${expect} were confirmed: nothing was done`);
    }
    const results = await collect(doToAll(ids, (id) => store.retryMedium(id, ports.clock.now())));
    const done = results.filter(({ error }) => error === null).length;
    const { until: _, ...filter } = given;
    return { to: backOf(form, withQuery("/media", filter)), notice: "tried-many", n: done };
  },
};
