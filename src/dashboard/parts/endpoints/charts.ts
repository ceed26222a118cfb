import type { EndpointHour } from "../../../actions/outcome/hours.ts";
import { bars, curves, legend } from "../charts.ts";
import { type Html, html } from "../html.ts";
import { wideTable } from "../tables.ts";
import { number } from "../text.ts";
import type { Times } from "../times.ts";
import { lasted, sumOf } from "./table.ts";

/** How its attempts went in each of the last hours, and how long they took: two charts, and the same as a table. */
export function endpointCharts(hours: EndpointHour[], times: Times): Html {
  if (hours.every(({ attempts }) => attempts === 0)) {
    return html`<section id="charts" data-part aria-labelledby="answers"><h2 id="answers">Attempts, by hour</h2><p class="card pad soft">Nothing was sent to it in the last ${hours.length} hours.</p></section>`;
  }
  const labels = hours.map(({ hour }) => times.hour(hour));
  const axis = html`<div class="axis" aria-hidden="true">${[0, 6, 12, 18].map((at) => html`<span>${labels[at]}</span>`)}<span>now</span></div>`;
  return html`<div class="two even" id="charts" data-part>${attempts(hours, labels, axis)}${latency(hours, labels, axis)}</div>`;
}

function attempts(hours: EndpointHour[], labels: string[], axis: Html): Html {
  const rows = hours.map(({ attempts, failed }, at) => ({ label: labels[at]!, good: attempts - failed, bad: failed }));
  const { ok, failed } = sumOf(hours);
  const most = Math.max(...hours.map((hour) => hour.attempts));
  const title = `Bars: attempts in each of the last ${hours.length} hours, at most ${number(most)}; in all ${number(ok)} succeeded, and ${number(failed)} failed`;
  const figure = html`<figure class="card chart"><div class="legend">${legend("bar", "succeeded")}${legend("bar bad", "failed")}<span>at most ${number(most)} an hour</span></div>${bars(rows, { title, unit: "succeeded" })}${axis}${asTable(hours, labels)}</figure>`;
  return html`<section aria-labelledby="answers"><header><h2 id="answers">Attempts, by hour</h2><span class="soft small">last ${hours.length} h</span></header>${figure}</section>`;
}

function asTable(hours: EndpointHour[], labels: string[]): Html {
  const rows = hours.map(
    ({ attempts, failed, p50, p95 }, at) =>
      html`<tr><td>${labels[at]}</td><td class="num">${number(attempts - failed)}</td><td class="num">${number(failed)}</td><td class="num">${lasted(p50, "≤ ")}</td><td class="num">${lasted(p95, "≤ ")}</td></tr>`,
  );
  const heads = ["Succeeded", "Failed", "p50", "p95"].map((words) => html`<th scope="col" class="num">${words}</th>`);
  const table = html`<table><thead><tr><th scope="col">Hour</th>${heads}</tr></thead><tbody>${rows.reverse()}</tbody></table>`;
  return html`<details id="by-hour"><summary>As a table</summary>${wideTable("Attempts by hour", table)}</details>`;
}

/** By the bounds by which times are counted: "at most". */
function latency(hours: EndpointHour[], labels: string[], axis: Html): Html {
  const values = (of: "p50" | "p95") => hours.map((hour) => hour[of]);
  const highest = Math.max(0, ...values("p95").map((value) => value ?? 0));
  const at = labels[values("p95").indexOf(highest)];
  const said = highest === 0 ? "no attempt" : `highest ≤ ${lasted(highest)}, at ${at}`;
  const title = `Curves: how long attempts took in each of the last ${hours.length} hours, for half and for 95 of 100 of them; ${said}`;
  const drawn = curves([{ values: values("p95") }, { values: values("p50"), isSoft: true }], { title });
  const words = [
    legend("curve", html`<abbr title="95 of 100 attempts took at most so long">p95</abbr>`),
    legend("curve soft", html`<abbr title="half of the attempts took at most so long">p50</abbr>`),
  ];
  return html`<section aria-labelledby="latency"><header><h2 id="latency">Time to answer</h2><span class="soft small">${said}</span></header><figure class="card chart"><div class="legend">${words}</div>${drawn}${axis}</figure></section>`;
}
