import { formatSize } from "../../../actions/format.ts";
import { collect, type Selection } from "../../../actions/list.ts";
import { quarantine } from "../../../actions/quarantine.ts";
import { readSelection } from "../../../admin/query.ts";
import { isFiltered, readList } from "../../lists.ts";
import type { Page, Visit } from "../../page.ts";
import { choicesOf, field, filters, linkButton, SINCE, select } from "../../parts/forms.ts";
import { type Html, html } from "../../parts/html.ts";
import { confirmOf, pageOf } from "../../parts/links.ts";
import { notice } from "../../parts/notices.ts";
import { groupsOf, groupTable, proxyHint, type RefusedRow } from "../../parts/quarantine/groups.ts";
import { capped, empty, newer, pager, row, table } from "../../parts/tables.ts";
import { clip, id, number, text, typeName } from "../../parts/text.ts";
import type { Times } from "../../parts/times.ts";

const PATH = "/quarantine";

/** The newest that are counted by reason and address. */
const COUNTED = 500;

export const quarantinePage: Page = {
  path: PATH,
  section: PATH,
  async show(visit) {
    const { place, times, can } = visit;
    const { rows, next, total, given, problem } = await readList(quarantine, visit, { isCounted: true });
    const { quarantine: kept } = await place.store.counts();
    const { before, ...selection } = given;
    const isNarrowed = isFiltered(selection);
    const isWhole = next === null && before === undefined;
    const counted = rows.length === 0 || isWhole ? rows : await newest(visit, selection);
    const groups = groupsOf(counted);
    const isMore = counted.length === COUNTED;
    const list = html`${newer(PATH, given)}<div class="card">${refusedTable(rows, times)}${pager(PATH, given, { shown: rows.length, next, total })}</div>`;
    const many = total === null ? "these" : capped(total);
    return {
      title: "Quarantine",
      under: html`What was refused and kept: ${number(kept.count)} ${kept.count === 1 ? "body" : "bodies"}, ${formatSize(kept.bytes)}. What turns out to be an event can be taken in after all.`,
      actions:
        isNarrowed &&
        rows.length > 0 &&
        can === "operate" &&
        linkButton(confirmOf("reprocess", selection), `Reprocess ${many}…`),
      shell: ["wochit-relay quarantine list", "wochit-relay quarantine reprocess --reason source --dry-run"],
      content: html`${problem !== null && notice("bad", text(problem, 500))}<div id="part-groups" data-part>${proxyHint(groups)}${groups.length > 0 && groupTable(groups, { selection, isMore, times, can })}</div>${form(given)}${problem === null && (rows.length > 0 ? list : nothing(isNarrowed))}`,
    };
  },
};

async function newest({ place }: Visit, selection: Record<string, string>): Promise<RefusedRow[]> {
  const wish: Selection<typeof quarantine.filters> = await readSelection(selection, place);
  return collect(quarantine.rows(place, { ...wish, limit: COUNTED }));
}

function refusedTable(rows: RefusedRow[], { when, sinceOfRow }: Times): Html {
  const heads = [
    ["w-time wide", "Received"],
    ["", "Reads as"],
    ["w-s", "Reason"],
    ["w-s wide", "From"],
    ["w-f num mid", "Size"],
  ] as const;
  const cells = rows.map((one) =>
    row(
      one.id,
      html`<td class="wide nowrap">${when(one.receivedAt)}</td><td class="main"><a href="${pageOf.quarantined(one.id)}">${one.videoId === null ? "no event" : typeName(one.type)}</a>${one.videoId !== null && clip(one.videoId, "under id")}<span class="under id">${one.id}</span>${one.detail !== null && html`<span class="under">${text(one.detail, 120)}</span>`}<span class="under narrow">${text(one.sourceAddress)}, ${sinceOfRow(one.receivedAt)}</span></td><td>${one.reason}</td><td class="wide">${id(one.sourceAddress)}</td><td class="num mid">${formatSize(one.bytes)}</td>`,
    ),
  );
  return table({ caption: "Refused requests, newest first", heads }, cells);
}

function form({ reason, source, videoId, since }: Record<string, string>): Html {
  const reasons = choicesOf(quarantine.filters.reason.words);
  return filters(
    PATH,
    html`${select("Reason", "reason", reasons, reason)}${select("Received", "since", SINCE, since)}${field("From this address", "source", source)}${field("Video", "videoId", videoId)}`,
  );
}

function nothing(isNarrowed: boolean): Html {
  if (isNarrowed)
    return empty(
      "Nothing was refused like that",
      html`<p class="actions">${linkButton(PATH, "All that was refused")}</p>`,
    );
  return empty(
    "Nothing was refused",
    html`<p>What comes from another address, with another token, or is no event of Wochit is kept here, so that nothing is lost when an address of Wochit's changes.</p>`,
  );
}
