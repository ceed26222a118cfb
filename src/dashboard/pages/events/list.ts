import { events } from "../../../actions/events.ts";
import { withAround } from "../../../actions/outcome/around.ts";
import { DOCUMENTED_TYPES } from "../../../model/event.ts";
import { isFiltered, readList } from "../../lists.ts";
import type { Page, Visit } from "../../page.ts";
import { eventTable } from "../../parts/events.ts";
import { type Choice, choicesOf, field, filters, hidden, linkButton, SINCE, select } from "../../parts/forms.ts";
import { type Html, html } from "../../parts/html.ts";
import { confirmOf } from "../../parts/links.ts";
import { notice } from "../../parts/notices.ts";
import { empty, newer, pager } from "../../parts/tables.ts";
import { text } from "../../parts/text.ts";

const TYPES: Choice[] = [
  ...choicesOf(DOCUMENTED_TYPES),
  ["video.failed", "failures"],
  ["unknown", "unknown types"],
  ["relay.*", "relay.* (notices)"],
];

export const eventsPage: Page = {
  path: "/events",
  section: "/events",
  async show(visit) {
    // A count by title searches once more, and further: where the events are sent again they are counted.
    const isCounted = visit.query.q === undefined;
    const { rows, next, total, given, problem } = await readList(events, visit, { isCounted });
    const shown = await withAround(visit.place.store, rows);
    const isNarrowed = isFiltered(given);
    const { before: _, ...filter } = given;
    const table = html`<div class="card">${eventTable(shown, { caption: "Events, newest first", times: visit.times })}${pager("/events", given, { shown: rows.length, next, total })}</div>`;
    const list = rows.length > 0 ? html`${newer("/events", given)}${table}` : nothing(visit, isNarrowed);
    return {
      title: "Events",
      under: html`What the provider sent, newest first.`,
      actions:
        visit.can === "operate" &&
        isNarrowed &&
        rows.length > 0 &&
        linkButton(confirmOf("replay", filter), "Replay these…"),
      shell: ["wochit-relay events list --since 24h", "wochit-relay events list --status dead"],
      content: html`${problem !== null && notice("bad", text(problem, 500))}${form(visit, given)}${problem === null && list}`,
    };
  },
};

function form({ place }: Visit, given: Record<string, string>): Html {
  const endpoints = place.config.endpoints.map(({ id }) => id);
  return filters(
    "/events",
    html`${field("Part of the title", "q", given.q, { isWide: true })}${field("Context", "context", given.context)}${given.videoId !== undefined && field("Video", "videoId", given.videoId)}${select("Type", "type", TYPES, given.type)}${select("Status", "status", choicesOf(["settled", "waiting", "dead"]), given.status)}${select("Endpoint", "endpoint", choicesOf(endpoints), given.endpoint)}${select("Received", "since", SINCE, given.since)}${given.until !== undefined && field("Until", "until", given.until)}${given.contextMissing !== undefined && hidden({ contextMissing: given.contextMissing })}`,
  );
}

function nothing({ place: { config } }: Visit, isNarrowed: boolean): Html {
  if (isNarrowed) {
    return empty(
      "No event is like that",
      html`<p>Events stay in this list when their bodies have expired.</p><p class="actions">${linkButton("/events", "All events")}</p>`,
    );
  }
  const url = `${config.server.publicUrl ?? `http://<this machine>:${config.server.listen.split(":").at(-1)}`}${config.receive.path}`;
  return empty(
    "No webhook has come yet",
    html`<p>Give Wochit this address, from wherever its servers can reach it. Until then, send yourself one of each kind, with media links that really answer:</p><pre class="answer">wochit-relay simulate all --to ${url}</pre><p>Nothing comes although Wochit sends? <a href="/settings">Doctor</a> tells whom a request is taken for, and <a href="/quarantine">Quarantine</a> keeps what was refused.</p>`,
  );
}
