import type { ReasonJson } from "../../../actions/json.ts";
import { linkButton } from "../forms.ts";
import { type Html, html } from "../html.ts";
import { confirmOf, pageOf, type Query, withQuery } from "../links.ts";
import { type Head, table } from "../tables.ts";
import { clip, number, text } from "../text.ts";
import type { Times } from "../times.ts";

/** What deliveries failed with, the most frequent first. `selection`: the filters of the list that it stands above. */
export function reasonTable(
  reasons: ReasonJson[],
  selection: Query,
  { times, can }: { times: Times; can: "read" | "operate" },
): Html {
  const isDead = selection.state === "dead";
  const heads: Head[] = [
    ["", isDead ? "Why they died" : "What failed the last time"],
    ["w-s wide", "Endpoint"],
    ["w-n num", "Many"],
    ["w-time wide", "Last attempt"],
    ["w-f", html`<span class="sr">Act</span>`],
  ];
  const rows = reasons.map(({ endpoint, error, answer, count, isMore, lastAt, sample }) => {
    const own = { ...selection, endpoint, error };
    const many = `${number(count)}${isMore ? "+" : ""}`;
    const retry = can === "operate" && linkButton(confirmOf("retry", own), `Retry ${many}…`, "tiny");
    // No part by itself: where a reason has come, the others have other places.
    return html`<tr><td class="main"><a href="${withQuery("/deliveries", own)}">${text(error, 300)}</a>${answer !== null && clip(answer, "under id")}<span class="under wide">the newest is <a class="id" href="${pageOf.delivery(sample)}">${sample}</a></span><span class="under narrow">${text(endpoint)}, ${times.sinceOfRow(lastAt)}</span></td><td class="wide"><a class="clip" dir="auto" href="${pageOf.endpoint(endpoint)}">${endpoint}</a></td><td class="num">${many}</td><td class="wide nowrap">${times.when(lastAt)}</td><td class="num">${retry}</td></tr>`;
  });
  const caption = "Deliveries by endpoint and by what they failed with";
  return html`<section aria-labelledby="reasons"><h2 id="reasons" class="sr">By reason</h2><div class="card">${table({ caption, heads }, rows)}</div></section>`;
}
