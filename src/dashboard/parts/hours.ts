import type { TrafficHour } from "../../actions/outcome/hours.ts";
import { bars, legend } from "./charts.ts";
import { type Html, html, none } from "./html.ts";
import { wideTable } from "./tables.ts";
import { number } from "./text.ts";
import type { Times } from "./times.ts";

/** How many events came in each of the last 24 hours: bars, and the same as a table. */
export function eventsByHour(hours: TrafficHour[], times: Times): Html {
  const rows = hours.map(({ hour, received, duplicates }) => ({
    label: times.hour(hour),
    good: received,
    bad: duplicates,
  }));
  const top = rows.reduce((one, other) => (other.good > one.good ? other : one));
  const repeats = rows.reduce((sum, { bad }) => sum + bad, 0);
  const least = Math.min(...rows.map(({ good }) => good));
  const title = `Bars: events received in each of the last 24 hours, between ${number(least)} and ${number(top.good)}, most at ${top.label}; ${number(repeats)} duplicates`;
  const busiest = top.good === 0 ? none : html`<span>busiest: ${number(top.good)} at ${top.label}</span>`;
  const axis = [0, 6, 12, 18].map((at) => html`<span>${rows[at]!.label}</span>`);
  const cells = [...rows]
    .reverse()
    .map(
      ({ label, good, bad }) =>
        html`<tr><td>${label}</td><td class="num">${number(good)}</td><td class="num">${number(bad)}</td></tr>`,
    );
  const table = html`<table><thead><tr><th scope="col">Hour</th><th scope="col" class="num">Accepted</th><th scope="col" class="num">Duplicates</th></tr></thead><tbody>${cells}</tbody></table>`;
  return html`<figure class="card chart"><div class="legend">${legend("bar", "accepted")}${legend("bar bad", "duplicates")}${busiest}</div>${bars(rows, { title, unit: "events", bad: "duplicates" })}<div class="axis" aria-hidden="true">${axis}<span>now</span></div><details><summary>As a table</summary>${wideTable("Events by hour", table)}</details></figure>`;
}
