import type { EndpointJson } from "../../../actions/endpoints.ts";
import type { Held } from "../../../actions/outcome/held.ts";
import type { EndpointHour } from "../../../actions/outcome/hours.ts";
import { spark } from "../charts.ts";
import { type Html, html } from "../html.ts";
import { pageOf, withQuery } from "../links.ts";
import { state } from "../states.ts";
import { row, table, wideTable } from "../tables.ts";
import { clip, number, plain } from "../text.ts";
import type { Times } from "../times.ts";

/** An endpoint as its table has it. */
export type EndpointRow = Pick<
  EndpointJson,
  "id" | "url" | "state" | "waiting" | "pending" | "running" | "dead" | "oldest"
>;

/** The word of an endpoint's state that people read. */
export const endpointWord = (state: string): string => (state === "failing" ? "breaker open" : state);

/** What all of some hours came to. */
export function sumOf(hours: EndpointHour[]): { ok: number; failed: number } {
  const all = hours.reduce((sum, { attempts }) => sum + attempts, 0);
  const failed = hours.reduce((sum, hour) => sum + hour.failed, 0);
  return { ok: all - failed, failed };
}

/** 99.9 %, or "–" of none. */
export function shareOf({ ok, failed }: { ok: number; failed: number }): string {
  const all = ok + failed;
  if (all === 0) return "–";
  // What failed is never rounded away.
  const share = failed > 0 ? Math.min(99.9, Math.round((ok / all) * 1000) / 10) : 100;
  return `${share} %`;
}

/** 210 ms, 1.9 s, or "–" of none. */
export function lasted(ms: number | null, before = ""): string {
  if (ms === null) return "–";
  return before + (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);
}

type Beside = { hours: Map<string, EndpointHour[]>; backlog: { endpoint: string; held: Held | null }[] };

/** What is open for endpoints, and how they answered. `hours`: of each, the last 24; `backlog`: what of it is held. */
export function endpointTable(rows: EndpointRow[], { hours, backlog }: Beside, times: Times): Html {
  const heads = [
    ["", "Endpoint"],
    ["", "State"],
    ["wide", "Attempts, 24 h"],
    ["num wide", "Succeeded"],
    ["num wide", html`<abbr title="in the newest hour 95 of 100 attempts took at most so long">p95</abbr>`],
    ["num wide", html`<abbr title="deliveries that have neither arrived nor ended">Open</abbr>`],
    ["num wide", "Dead"],
    ["mid", "Oldest open since"],
  ] as const;
  const caption = "Endpoints, what is open for them, and how they answered in the last 24 hours";
  const heldOf = (id: string) => backlog.find(({ endpoint }) => endpoint === id)?.held ?? null;
  const body = rows.map((one) => endpointRow(one, { hours: hours.get(one.id) ?? [], held: heldOf(one.id) }, times));
  return wideTable("Endpoints, as a table", table({ caption, heads, isFixed: false }, body));
}

function endpointRow(
  one: EndpointRow,
  { hours, held }: { hours: EndpointHour[]; held: Held | null },
  { at }: Times,
): Html {
  const all = sumOf(hours);
  const share = shareOf(all);
  const drawn = hours.map(({ attempts, failed }) => ({ good: attempts - failed, bad: failed }));
  const open = one.waiting + one.pending + one.running;
  const dead = withQuery("/deliveries", { state: "dead", endpoint: one.id });
  const oldest =
    one.oldest === null ? html`<span class="soft">nothing is open</span>` : at(one.oldest, { relative: true });
  return row(
    `endpoint-${one.id}`,
    html`<td class="main"><a href="${pageOf.endpoint(one.id)}">${plain(one.id)}</a>${one.url === null ? html`<span class="under wide">not in the config</span>` : html`<span class="wide">${clip(one.url, "under")}</span>`}<span class="under narrow">${open === 0 ? "nothing is open" : `${number(open)} open`}${one.dead > 0 && html`, <a href="${dead}">${number(one.dead)} dead</a>`}</span></td>
<td>${state(endpointWord(one.state))}${held !== null && html`<span class="under">${heldMany(held)}</span>`}</td>
<td class="wide">${spark(drawn, `attempts by hour: ${number(all.ok)} succeeded, ${number(all.failed)} failed`)}</td>
<td class="num wide">${share}</td>
<td class="num wide">${lasted(hours.findLast(({ p95 }) => p95 !== null)?.p95 ?? null, "≤ ")}</td>
<td class="num wide">${number(open)}</td>
<td class="num wide">${one.dead > 0 ? html`<a href="${dead}">${number(one.dead)}</a>` : "0"}</td>
<td class="mid nowrap">${oldest}</td>`,
  );
}

/** "1 video is held" */
export const heldMany = ({ videos, isMore }: Held): string =>
  videos === 1 ? "1 video is held" : `${number(videos)}${isMore ? "+" : ""} videos are held`;
