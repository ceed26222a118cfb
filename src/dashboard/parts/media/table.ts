import { formatSize } from "../../../actions/format.ts";
import type { MediumJson } from "../../../actions/json.ts";
import { act } from "../forms.ts";
import { type Html, html, none } from "../html.ts";
import { pageOf } from "../links.ts";
import { icon, state } from "../states.ts";
import { type Head, row, table } from "../tables.ts";
import { clip, text } from "../text.ts";
import type { Times } from "../times.ts";
import { due } from "./soon.ts";

/** A medium as lists have it, with its video's title. */
export type MediumRow = MediumJson & { title: string | null };

/** The states in which the end of its link matters. */
const WANTED = ["pending", "running", "failed", "expired"];

/** The states in which it can be downloaded again. */
export const RETRIED = ["pending", "failed", "expired", "skipped"];

type Shown = { times: Times; can: "read" | "operate"; caption: string; what: string; to: string };

/** `what`: the head of the column of link ends and sizes; `to`: the list, where a retry leads back to. */
export function mediaTable(rows: MediumRow[], shown: Shown): Html {
  const heads: Head[] = [
    ["", "Video"],
    ["w-s wide", "State"],
    ["w-f", shown.what],
    ["w-f mid", html`<span class="sr">Act</span>`],
  ];
  return table(
    { caption: shown.caption, heads },
    rows.map((one) => mediumRow(one, shown)),
  );
}

function mediumRow(one: MediumRow, { times, can, to }: Shown): Html {
  const { id, title, videoId, kind, lastError, suspect } = one;
  const name = title === null ? videoId : title;
  const states = html`<span class="states">${state(one.state)}${suspect !== null && state("suspect")}</span>`;
  const wrong = lastError ?? suspect;
  const label = RETRIED.includes(one.state)
    ? act({ can }, `${pageOf.medium(id)}/retry`, "Try now", { kind: "tiny", fields: { to }, about: id })
    : none;
  return row(
    id,
    html`<td class="main"><a href="${pageOf.medium(id)}">${clip(name)}</a><span class="under">${kind}<span class="wide"> <span class="id">${id}</span></span></span><span class="narrow">${states}</span>${wrong !== null && html`<span class="under">${text(wrong, 200)}</span>`}</td>
<td class="wide">${states}</td>
<td>${endOrSize(one, times)}</td>
<td class="num mid">${label}</td>`,
  );
}

function endOrSize({ state, deadline, bytes }: MediumRow, { now, at }: Times): Html {
  if (state === "expired")
    return html`<span class="due bad">${icon("glass", undefined, "bad")} died</span><span class="under">${at(deadline)}</span>`;
  if (WANTED.includes(state)) return html`${due(Date.parse(deadline), now)}<span class="under">${at(deadline)}</span>`;
  return bytes === null ? html`<span class="soft">–</span>` : html`${formatSize(bytes)}`;
}
