import { media } from "../../../actions/media.ts";
import type { Counts } from "../../../store/counts.ts";
import { readList } from "../../lists.ts";
import type { Page } from "../../page.ts";
import { choicesOf, field, filters, linkButton, SINCE, select } from "../../parts/forms.ts";
import { type Html, html } from "../../parts/html.ts";
import { confirmOf, withQuery } from "../../parts/links.ts";
import { mediaTable } from "../../parts/media/table.ts";
import { hostTrouble } from "../../parts/media/trouble.ts";
import { notice } from "../../parts/notices.ts";
import { capped, empty, newer, pager, tabs } from "../../parts/tables.ts";
import { number, text } from "../../parts/text.ts";
import { withTitles } from "../../titles.ts";

const PATH = "/media";

/** What a tab narrows the list down to; "all" is a word of the address only. */
const TABS: { words: string; query: Record<string, string>; state?: keyof Counts["media"] }[] = [
  { words: "Nearest deadline", query: { by: "deadline" } },
  { words: "Failed", query: { state: "failed" }, state: "failed" },
  { words: "Expired", query: { state: "expired" }, state: "expired" },
  { words: "Suspect", query: { suspect: "true" } },
  { words: "Mirrored", query: { state: "mirrored" }, state: "mirrored" },
  { words: "Skipped", query: { state: "skipped" }, state: "skipped" },
  { words: "All", query: { state: "all" } },
];

export const mediaPage: Page = {
  path: PATH,
  section: PATH,
  async show(visit) {
    const { place, query, times, can } = visit;
    const [counts, { media: waiting }] = await Promise.all([place.store.counts(), visit.summary()]);
    const isBare = Object.keys(query).every((name) => name === "done" || name === "n" || name === "of");
    const meant = isBare ? (waiting.length > 0 ? { by: "deadline" } : { state: "all" }) : query;
    const { state, ...others } = meant as Record<string, string>;
    const asked = { place, query: state === undefined || state === "all" ? others : { ...others, state } };
    const { rows, next, total, given: filter, problem } = await readList(media, asked, { isCounted: true });
    const given = { ...filter, ...(state === "all" && { state }) };
    const shown = await withTitles(visit, rows);
    const { before: _, ...selection } = filter;
    const isByDeadline = filter.by === "deadline";
    const table = mediaTable(shown, {
      times,
      can,
      caption: `Media, ${isByDeadline ? "the nearest deadline" : "newest"} first`,
      what: state === "mirrored" || filter.suspect ? "Size" : state === "all" ? "Link or size" : "Link dies",
      to: withQuery(PATH, given),
    });
    const list = html`${!isByDeadline && newer(PATH, given)}<div class="card">${table}${pager(PATH, given, { shown: rows.length, next, total })}</div>`;
    const isLost = state === "failed" || state === "expired" || state === "skipped";
    const retry =
      isLost &&
      rows.length > 0 &&
      linkButton(confirmOf("media-retry", selection), `Retry ${total === null ? "all" : capped(total)}…`);
    // Of a few seconds ago, unless it was just counted.
    const isCounted = isByDeadline && total !== null && Object.keys(selection).length === 1;
    const known = isCounted ? total : { count: waiting.length, isMore: waiting.length >= 100 };
    const unsafe = capped(known);
    return {
      title: "Media",
      under:
        known.count === 0
          ? html`All that was announced is secured, or has come to its end.`
          : html`${unsafe} not secured yet: when the link dies first, the file is lost.`,
      actions: can === "operate" && html`${retry}${linkButton(confirmOf("verify", {}), "Verify copies…")}`,
      shell: [
        "wochit-relay media list --by deadline",
        "wochit-relay media retry --state failed",
        "wochit-relay media verify",
      ],
      content: html`${problem !== null && notice("bad", text(problem, 500))}${tabsOf(given, counts.media, unsafe)}${form(given)}${problem === null && (rows.length > 0 ? list : nothing(given))}${isByDeadline && hostTrouble(rows)}`,
    };
  },
};

function tabsOf(given: Record<string, string>, counts: Counts["media"], unsafe: string): Html {
  const { before: _, state = "", by, suspect, ...others } = given;
  const own = new URLSearchParams({
    ...(state && { state }),
    ...(by && { by }),
    ...(suspect && { suspect }),
  }).toString();
  const all = TABS.map(({ words, query, state }) => ({
    href: withQuery(PATH, { ...others, ...query }),
    words,
    ...(query.by !== undefined && { count: unsafe }),
    ...(state !== undefined && { count: number(counts[state] ?? 0) }),
    isCurrent: own === new URLSearchParams(query).toString() || (own === "" && words === "All"),
  }));
  return html`<div id="tabs" data-part>${tabs("State", all)}</div>`;
}

function form({ state, by, suspect, kind, videoId, since }: Record<string, string>): Html {
  const kept = Object.entries({ state, by, suspect }).map(
    ([name, value]) => value !== undefined && html`<input type="hidden" name="${name}" value="${value}">`,
  );
  return filters(
    PATH,
    html`${kept}${select("Kind", "kind", choicesOf(["video", "thumbnail"]), kind)}${select("Announced", "since", SINCE, since)}${field("Video", "videoId", videoId, { isWide: true })}`,
  );
}

function nothing({ by, state, kind, videoId, since }: Record<string, string>): Html {
  const all = html`<p class="actions">${linkButton(withQuery(PATH, { state: "all" }), "All media")}</p>`;
  if ((kind ?? videoId ?? since) !== undefined)
    return empty("No medium is like that", html`<p>Nothing fits the filters.</p>${all}`);
  if (by === "deadline")
    return empty(
      "Nothing waits to be secured",
      html`<p>Each file that was announced has a copy, or has come to its end.</p>${all}`,
    );
  if (state === "all")
    return empty(
      "No medium was announced yet",
      html`<p>Media come with events: <span class="id">video.ready</span> announces a video, drafts announce thumbnails. ${linkButton("/events", "Events")}</p>`,
    );
  return empty("None is like that", html`<p>That is as it should be, or another tab has them.</p>${all}`);
}
