import type { EndpointJson } from "../../../actions/endpoints.ts";
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

/** What waits for endpoints, and how they answered. `hours`: of each, the last 24. */
export function endpointTable(rows: EndpointRow[], hours: Map<string, EndpointHour[]>, times: Times): Html {
  const heads = [
    ["", "Endpoint"],
    ["", "State"],
    ["wide", "Attempts, 24 h"],
    ["num wide", "Succeeded"],
    ["num wide", html`<abbr title="in the newest hour 95 of 100 attempts took at most so long">p95</abbr>`],
    ["num wide", "Waiting"],
    ["num wide", "Dead"],
    ["mid", "Oldest waits since"],
  ] as const;
  const caption = "Endpoints, what waits for them, and how they answered in the last 24 hours";
  const body = rows.map((one) => endpointRow(one, hours.get(one.id) ?? [], times));
  return wideTable("Endpoints, as a table", table({ caption, heads, isFixed: false }, body));
}

function endpointRow(one: EndpointRow, hours: EndpointHour[], { at }: Times): Html {
  const all = sumOf(hours);
  const share = shareOf(all);
  const drawn = hours.map(({ attempts, failed }) => ({ good: attempts - failed, bad: failed }));
  const open = one.waiting + one.pending + one.running;
  const dead = withQuery("/deliveries", { state: "dead", endpoint: one.id });
  const oldest =
    one.oldest === null ? html`<span class="soft">nothing waits</span>` : at(one.oldest, { relative: true });
  return row(
    `endpoint-${one.id}`,
    html`<td class="main"><a href="${pageOf.endpoint(one.id)}">${plain(one.id)}</a>${one.url === null ? html`<span class="under wide">not in the config</span>` : html`<span class="wide">${clip(one.url, "under")}</span>`}<span class="under narrow">${open === 0 ? "nothing waits" : `${number(open)} ${open === 1 ? "waits" : "wait"}`}${one.dead > 0 && html`, <a href="${dead}">${number(one.dead)} dead</a>`}</span></td>
<td>${state(endpointWord(one.state))}</td>
<td class="wide">${spark(drawn, `attempts by hour: ${number(all.ok)} succeeded, ${number(all.failed)} failed`)}</td>
<td class="num wide">${share}</td>
<td class="num wide">${lasted(hours.findLast(({ p95 }) => p95 !== null)?.p95 ?? null, "≤ ")}</td>
<td class="num wide">${number(open)}</td>
<td class="num wide">${one.dead > 0 ? html`<a href="${dead}">${number(one.dead)}</a>` : "0"}</td>
<td class="mid nowrap">${oldest}</td>`,
  );
}
