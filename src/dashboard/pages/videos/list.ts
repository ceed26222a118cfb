import { videos } from "../../../actions/videos.ts";
import type { VideoAround } from "../../../model/around.ts";
import { isFiltered, readList } from "../../lists.ts";
import type { Page, Visit } from "../../page.ts";
import { choicesOf, field, filters, linkButton, SINCE, select } from "../../parts/forms.ts";
import { type Html, html } from "../../parts/html.ts";
import { pageOf } from "../../parts/links.ts";
import { notice } from "../../parts/notices.ts";
import { lacksBriefly, mediaBriefly } from "../../parts/sends.ts";
import { state } from "../../parts/states.ts";
import { empty, type Head, newer, pager, row, table } from "../../parts/tables.ts";
import { clip, text } from "../../parts/text.ts";
import { thumb } from "../../parts/videos/copy.ts";

type Row = Awaited<ReturnType<typeof readVideos>>["rows"][number];

/** Fewer than in other lists: each row has a picture, its copies and what its apps lack, and a page is to stay light. */
const SHOWN = 30;

const readVideos = (visit: Visit) => readList(videos, visit, { isCounted: true, limit: SHOWN });

const STATES = choicesOf(["draft", "ready", "deleted", "failed", "unknown"]);

export const videosPage: Page = {
  path: "/videos",
  section: "/videos",
  async show(visit) {
    const { rows, next, total, given, problem } = await readVideos(visit);
    const isNarrowed = isFiltered(given);
    const form = filters(
      "/videos",
      html`${field("Part of the title", "q", given.q, { isWide: true })}${field("Context", "context", given.context)}${select("State", "state", STATES, given.state)}${select("First seen", "since", SINCE, given.since)}`,
    );
    const lacking = await readLacking(visit, rows);
    const shown = html`${newer("/videos", given)}<div class="card">${videoTable(rows, lacking, visit)}${pager("/videos", given, { shown: rows.length, next, total })}</div>`;
    const list = rows.length > 0 ? shown : nothing(isNarrowed);
    return {
      title: "Videos",
      under: html`What is known of each video, the newest first.`,
      shell: ["wochit-relay videos list", "wochit-relay videos list --context page-4711"],
      hasCopies: true,
      content: html`${problem !== null && notice("bad", text(problem, 500))}${form}${problem === null && list}`,
    };
  },
};

/** What apps lack of each; of none where there is no app. */
async function readLacking({ place }: Visit, rows: Row[]): Promise<Map<string, VideoAround["lacking"]>> {
  if (place.config.endpoints.length === 0) return new Map();
  const all = await place.store.videosAround(rows.map(({ videoId }) => videoId));
  return new Map(all.map(({ videoId, lacking }) => [videoId, lacking]));
}

function videoTable(
  rows: Row[],
  lacking: Map<string, VideoAround["lacking"]>,
  { times: { when, sinceOfRow } }: Visit,
): Html {
  const heads: Head[] = [
    ["w-thumb wide", html`<span class="sr">Thumbnail</span>`],
    ["", "Video"],
    ["w-s wide", "Context"],
    ["w-s", "State"],
    ["w-f mid", "Copies"],
    ["w-s wide", "Apps"],
    ["w-time mid", "Last event"],
  ];
  const cells = rows.map(({ videoId, title, context, state: word, media, lastEventAt, forgottenAt }) => {
    const apps = lacksBriefly(lacking.get(videoId));
    return row(
      videoId,
      html`<td class="wide">${thumb(media)}</td>
<td class="main"><a class="clip" dir="auto" href="${pageOf.video(videoId)}">${title === null ? "no title" : text(title)}</a>${clip(videoId, "under id")}<span class="under narrow">${sinceOfRow(lastEventAt)}</span>${context !== null && html`<span class="narrow">${clip(context, "under id")}</span>`}</td>
<td class="wide">${context === null ? html`<span class="soft">none</span>` : clip(context, "id")}</td>
<td>${state(word)}${forgottenAt !== undefined && html`<span class="under">erased</span>`}<div class="narrow">${apps}</div></td>
<td class="mid">${mediaBriefly(newestOfKind(media))}</td>
<td class="wide">${apps}</td>
<td class="mid nowrap">${when(lastEventAt)}</td>`,
    );
  });
  return table({ caption: "Videos, newest first", heads }, cells);
}

/** Of each kind the newest: what it replaced says nothing. */
function newestOfKind(media: Row["media"]): Row["media"] {
  const newest = new Map<string, Row["media"][number]>();
  for (const one of media) if (one.id > (newest.get(one.kind)?.id ?? "")) newest.set(one.kind, one);
  return [...newest.values()];
}

function nothing(isNarrowed: boolean): Html {
  if (isNarrowed) {
    return empty(
      "No video is like that",
      html`<p>A context that a video had before is found by the search above.</p><p class="actions">${linkButton("/videos", "All videos")}</p>`,
    );
  }
  return empty(
    "No video yet",
    html`<p>A video is here as soon as an event, or an import of contexts, names it.</p><p class="actions">${linkButton("/events", "How events come")}</p>`,
  );
}
