import type { EventAround } from "../../model/around.ts";
import { type Html, html, none } from "./html.ts";
import { pageOf } from "./links.ts";
import { mediaBriefly, sendsBriefly } from "./sends.ts";
import { type Head, row, table } from "./tables.ts";
import { clip, plain, typeName } from "./text.ts";
import type { Times } from "./times.ts";

/** An event as its list has it, with what is around it. */
export type EventRow = {
  id: string;
  receivedAt: string;
  type: string | null;
  dialect: string;
  videoId: string | null;
  context: string | null;
  sequence: number | null;
  duplicates: number;
  around: EventAround;
};

/** A table of events. `hasVideo`: false where all are of one video. */
export function eventTable(
  rows: EventRow[],
  { caption, times, hasVideo = true }: { caption: string; times: Times; hasVideo?: boolean },
): Html {
  const heads: Head[] = [
    ["w-time wide", "Received"],
    ["", "Event"],
    ...(hasVideo ? [["w-id mid", "Context"] as const] : []),
    ["w-n num wide", html`<abbr title="order of commit per video">Seq</abbr>`],
    ["w-s mid", "Media"],
    ["w-m", "Endpoints"],
  ];
  return table(
    { caption, heads },
    rows.map((one) => eventRow(one, times, hasVideo)),
  );
}

function eventRow(event: EventRow, { when, sinceOfRow }: Times, hasVideo: boolean): Html {
  const { id, receivedAt, type, dialect, videoId, context, sequence, duplicates, around } = event;
  const again =
    duplicates === 0 ? none : html` <span class="soft small">+${duplicates} duplicate${duplicates > 1 && "s"}</span>`;
  const of = html`${context === null ? html`<span class="soft">no context</span>` : clip(context, "id")}${videoId !== null && clip(videoId, "under id")}`;
  return row(
    id,
    html`<td class="wide nowrap">${when(receivedAt)}</td>
<td class="main"><a href="${pageOf.event(id)}">${typeName(type, dialect === "legacy")}</a>${again}${around.title !== null && clip(around.title, "under")}<span class="under narrow clip">${sinceOfRow(receivedAt)}${hasVideo && context !== null && html` · <span dir="auto">${plain(context)}</span>`}</span></td>
${hasVideo && html`<td class="mid">${of}</td>`}<td class="num wide">${sequence ?? "–"}</td>
<td class="mid">${mediaBriefly(around.media)}</td>
<td>${sendsBriefly(around.deliveries)}</td>`,
  );
}
