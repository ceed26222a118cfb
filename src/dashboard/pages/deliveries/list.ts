import { deliveries, deliveryReasons } from "../../../actions/deliveries.ts";
import type { ReasonJson } from "../../../actions/json.ts";
import { collect, type Selection } from "../../../actions/list.ts";
import { readSelection } from "../../../admin/query.ts";
import type { CappedCount } from "../../../store/filters.ts";
import { isFiltered, readList } from "../../lists.ts";
import type { Page, Visit } from "../../page.ts";
import { bulkBar, type DeliveryVerb } from "../../parts/deliveries/bulk.ts";
import { noDeliveries } from "../../parts/deliveries/empty.ts";
import { reasonTable } from "../../parts/deliveries/reasons.ts";
import { deliveryTable } from "../../parts/deliveries/table.ts";
import { choicesOf, field, filters, hidden, linkButton, SINCE, select } from "../../parts/forms.ts";
import { type Html, html } from "../../parts/html.ts";
import { confirmOf, withQuery } from "../../parts/links.ts";
import { notice } from "../../parts/notices.ts";
import { capped, newer, pager, tabs } from "../../parts/tables.ts";
import { number, text } from "../../parts/text.ts";
import { withTitles } from "../../titles.ts";

const PATH = "/deliveries";

/** Of one page of reasons. */
const REASONS = 50;

type Counted = "dead" | "waiting" | "pending" | "running";

/** Of an endpoint, how many are in each of these states. */
type Numbers = { id: string } & Record<Counted, number>;

/** The tabs; "all" is a word of the address only. `verb`: what can be done to all in that state. */
const TABS: {
  state: string;
  words: string;
  verb?: DeliveryVerb;
  count?: Counted;
}[] = [
  { state: "dead", words: "Dead", verb: "retry", count: "dead" },
  { state: "waiting", words: "Waiting", verb: "cancel", count: "waiting" },
  { state: "pending", words: "Pending", verb: "cancel", count: "pending" },
  { state: "running", words: "Running", verb: "cancel", count: "running" },
  { state: "delivered", words: "Delivered" },
  { state: "canceled", words: "Canceled", verb: "retry" },
  { state: "superseded", words: "Superseded" },
  { state: "all", words: "All" },
];

export const deliveriesPage: Page = {
  path: PATH,
  section: PATH,
  async show(visit) {
    const { place, query, times } = visit;
    const { endpoints } = (await visit.summary()).facts;
    const isBare = Object.keys(query).every((name) => name === "done" || name === "n" || name === "of");
    // What needs a person comes first; of one thing all is shown.
    const state = query.state ?? (isBare && endpoints.some(({ dead }) => dead > 0) ? "dead" : "all");
    const { state: _, ...others } = query;
    const asked = { place, query: state === "all" ? others : { ...others, state } };
    const { rows, next, total, given: filter, problem } = await readList(deliveries, asked, { isCounted: true });
    const given = { ...filter, state };
    const shown = await withTitles(visit, rows);
    const { before: __, ...selection } = filter;
    const reasons = problem === null && rows.length > 0 ? await reasonsOf(visit, selection) : [];
    const verb = TABS.find((tab) => tab.state === state)?.verb;
    const caption = `Deliveries${state === "all" ? "" : `, ${state}`}, newest first`;
    const canChoose = verb !== undefined && visit.can === "operate";
    const table = deliveryTable(shown, { caption, times, canChoose, isMixed: state === "all" });
    const content = html`${table}${pager(PATH, given, { shown: rows.length, next, total })}`;
    const chosen = canChoose
      ? html`<form class="card" data-bulk action="/confirm" method="get">${bulkBar({ verb, selection, matching: total })}${content}</form>`
      : html`<div class="card">${content}</div>`;
    const list = html`${newer(PATH, given)}${chosen}`;
    const many = `${total === null ? "" : `${capped(total)} `}${isFiltered({ ...selection, state: "" }) ? "that match" : "dead"}`;
    const ids = endpoints.map(({ id }) => id);
    const isRetry = state === "dead" && rows.length > 0 && visit.can === "operate";
    const retry = isRetry && linkButton(confirmOf("retry", selection), `Retry all ${many}…`, "primary");
    return {
      title: "Deliveries",
      under: html`What was, is and will be sent to your apps. Nothing sends the dead again until you do.`,
      actions: html`${retry}${linkButton("/tasks", "Tasks")}`,
      shell: ["wochit-relay deliveries list --state dead", "wochit-relay deliveries retry --state dead --dry-run"],
      content: html`${problem !== null && notice("bad", text(problem, 500))}${tabsOf(given, endpoints, total)}<div id="part-reasons" data-part>${reasons.length > 0 && reasonTable(reasons, selection, visit)}</div>${form(given, ids)}${problem === null && (rows.length > 0 ? list : noDeliveries(state, filter))}`,
    };
  },
};

/** What those that match failed with. */
async function reasonsOf({ place }: Visit, selection: Record<string, string>): Promise<ReasonJson[]> {
  if (selection.state !== "dead" && selection.state !== "pending") return [];
  const wish: Selection<typeof deliveryReasons.filters> = await readSelection(selection, place);
  return collect(deliveryReasons.rows(place, { ...wish, limit: REASONS }));
}

/** `total`: of the tab that is shown, as it is now; the numbers of the others are of a few seconds ago at most. */
function tabsOf({ before: _, ...given }: Record<string, string>, numbers: Numbers[], total: CappedCount | null): Html {
  const meant = numbers.filter(({ id }) => given.endpoint === undefined || id === given.endpoint);
  const all = TABS.map(({ state, words, count }) => {
    const isCurrent = state === given.state;
    const sum = count !== undefined && number(meant.reduce((sum, one) => sum + one[count], 0));
    return {
      href: withQuery(PATH, { ...given, state, error: undefined }),
      words,
      ...(sum !== false && { count: isCurrent && total !== null ? capped(total) : sum }),
      isCurrent,
    };
  });
  return html`<div id="tabs" data-part>${tabs("State", all)}</div>`;
}

function form(given: Record<string, string>, endpoints: string[]): Html {
  const { state, endpoint, since, failedSince, until, videoId, eventId, error, type } = given;
  const kept = Object.entries({ state, until }).flatMap(([name, value]) =>
    value === undefined ? [] : hidden({ [name]: value }),
  );
  return filters(
    PATH,
    html`${kept}${select("Endpoint", "endpoint", choicesOf(endpoints), endpoint)}${select("Made", "since", SINCE, since)}${select("Last failed", "failedSince", SINCE, failedSince)}${field("Video", "videoId", videoId)}${field("Event", "eventId", eventId)}${type !== undefined && field("Type", "type", type)}${error !== undefined && field("Failed with exactly", "error", error, { isWide: true })}`,
  );
}
