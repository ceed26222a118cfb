import { events } from "../../../actions/events.ts";
import { formatSize } from "../../../actions/format.ts";
import { withAround } from "../../../actions/outcome/around.ts";
import { type Holding, holdings } from "../../../actions/outcome/held.ts";
import { HOURS, readEndpointHours, readTraffic, type TrafficHour } from "../../../actions/outcome/hours.ts";
import { COMMIT_BOUNDS } from "../../../store/counts.ts";
import { boundOf } from "../../../store/histogram.ts";
import { readList } from "../../lists.ts";
import type { Page } from "../../page.ts";
import { needs } from "../../parts/alarms.ts";
import { endpointTable, lasted } from "../../parts/endpoints/table.ts";
import { heldWords } from "../../parts/endpoints/why.ts";
import { eventTable } from "../../parts/events.ts";
import { eventsByHour } from "../../parts/hours.ts";
import { type Html, html } from "../../parts/html.ts";
import { pageOf } from "../../parts/links.ts";
import { mediaSoon } from "../../parts/media/soon.ts";
import { empty, facts } from "../../parts/tables.ts";
import { number } from "../../parts/text.ts";
import type { Times } from "../../parts/times.ts";
import type { Summary } from "../../summary.ts";

/** Downloads that may run at once, and are counted. */
const MOST_RUNNING = 100;

/** Rows of the lists on this page. */
const FEW = 5;

export const overviewPage: Page = {
  path: "/",
  section: "/",
  async show(visit) {
    const { store } = visit.place;
    const { now } = visit.times;
    const [summary, traffic, commits, downloads, latest] = await Promise.all([
      visit.summary(),
      readTraffic(store, { now, count: 2 * HOURS }),
      store.commits(),
      store.media({ state: "running", limit: MOST_RUNNING }),
      readList(events, { ...visit, query: {} }, { limit: FEW }),
    ]);
    const { alarms, facts: known } = summary;
    const p99 = boundOf(commits.seconds, COMMIT_BOUNDS.seconds, 0.99);
    const ids = known.endpoints.map(({ id }) => id);
    const hours = await readEndpointHours(store, ids, { now });
    const rows = await withAround(store, latest.rows);
    const many = alarms.length;
    const calm = heldOf(summary).length === 0 ? "All is well" : "Nothing needs you yet";
    return {
      title: many === 0 ? calm : many === 1 ? "1 thing needs you" : `${many} things need you`,
      under: wellness(summary, visit.times),
      shell: ["wochit-relay status", "wochit-relay doctor"],
      content: html`<section id="part-needs" data-part aria-labelledby="needs"><h2 class="sr" id="needs">What needs a person now</h2>${needs(summary, visit)}</section>
<section id="part-facts" data-part aria-label="In numbers">${numbers(summary, traffic, { running: downloads.length, p99 }, visit.times)}</section>
<div class="two">
<section aria-labelledby="by-hour"><header><h2 id="by-hour">Events received, by hour</h2><span class="soft small">last 24 h</span></header><div id="part-hours" data-part>${eventsByHour(traffic.slice(-HOURS), visit.times)}</div></section>
<section aria-labelledby="deadline"><header><h2 id="deadline">Nearest deadlines</h2><a class="small" href="/media?by=deadline">All media</a></header><div class="card" id="part-soon" data-part>${mediaSoon(summary.media.slice(0, 3), visit)}</div></section>
</div>
<section aria-labelledby="apps"><header><h2 id="apps">Endpoints</h2><a class="small" href="/endpoints">All of them</a></header>${
        known.endpoints.length === 0
          ? noEndpoints()
          : endpointTable(known.endpoints, { hours, backlog: summary.backlog }, visit.times)
      }</section>
<section aria-labelledby="latest"><header><h2 id="latest">Latest events</h2><a class="small" href="/events">All events</a></header><div class="card" id="part-latest" data-part>${
        rows.length === 0
          ? html`<p class="pad soft">None has come yet. <a href="/events">What to do</a></p>`
          : eventTable(rows, { caption: "The latest events", times: visit.times })
      }</div></section>`,
    };
  },
};

const heldOf = ({ facts: { endpoints }, alarms, backlog }: Summary) => holdings({ endpoints, alarms, backlog });

function wellness(summary: Summary, { since }: Times): Html {
  const { facts, alarms } = summary;
  const held = heldOf(summary);
  const rest = alarms.length === 0 ? "Nothing waits for you" : "All else is well";
  const said = held.length === 0 ? html`${rest}.` : held.map((one) => html`${holdingWords(one)} `);
  if (facts.lastEventAt === null) return html`${said} No event has come yet.`;
  return html`${said} The last event came ${since(facts.lastEventAt)}.`;
}

/** "cms is paused." "For cms 1 video is held behind a refused event: evt_…." */
function holdingWords(one: Holding): Html {
  const link = html`<a href="${pageOf.endpoint(one.id)}">${one.id}</a>`;
  return one.is === "holding" ? html`For ${link} ${heldWords(one.held)}.` : html`${link} is ${one.is}.`;
}

function numbers(
  { facts: known, media }: Summary,
  traffic: TrafficHour[],
  { running, p99 }: { running: number; p99: number | null },
  { since }: Times,
): Html {
  const sum = (hours: TrafficHour[]) => hours.reduce((total, { received }) => total + received, 0);
  const [before, last] = [sum(traffic.slice(0, HOURS)), sum(traffic.slice(-HOURS))];
  const change = before === 0 ? null : Math.round((last / before - 1) * 100);
  const open = known.endpoints.map(({ id, waiting, pending, running }) => ({ id, open: waiting + pending + running }));
  const most = open.reduce((one, other) => (other.open > one.open ? other : one), { id: "", open: 0 });
  const waits = open.reduce((sum, one) => sum + one.open, 0);
  const { disk, backup } = known;
  return facts([
    {
      name: "Events in 24 h",
      value: number(last),
      small:
        change === null
          ? "none the day before"
          : `${Math.abs(change)} % ${change < 0 ? "less" : "more"} than the day before`,
    },
    {
      name: "Open",
      value: number(waits),
      small: waits === 0 ? "all that came has arrived" : `deliveries; ${number(most.open)} of them for ${most.id}`,
    },
    {
      name: "Downloads",
      value: `${number(running)} running`,
      small: media.length === 0 ? "all that came is secured" : `${media.length} not secured`,
    },
    { name: "Commit, p99", value: lasted(p99 === null ? null : p99 * 1_000, "≤ "), small: "since the start" },
    {
      name: "Disk",
      value: disk === null ? "unknown" : formatSize(disk.free),
      small: disk === null ? "" : `free; ${formatSize(disk.needed)} are needed`,
    },
    {
      name: "Last backup",
      value: backup.lastAt === null ? "none" : since(backup.lastAt),
      small: backup.every === null ? "none is planned" : backup.lastAt === null ? "" : "opened and checked",
    },
  ]);
}

const noEndpoints = (): Html =>
  empty(
    "There is no endpoint",
    html`<p>Events are kept, and sent to no app, until the config names one (<span class="id">endpoints</span>) and the relay has read it: <span class="id">wochit-relay reload</span>.</p>`,
  );
