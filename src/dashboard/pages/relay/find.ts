import { type Found, findAnything } from "../../../actions/find.ts";
import type { Video } from "../../../model/video.ts";
import { goTo, type Page } from "../../page.ts";
import { linkButton } from "../../parts/forms.ts";
import { type Html, html, none } from "../../parts/html.ts";
import { pageOf, withQuery } from "../../parts/links.ts";
import { state } from "../../parts/states.ts";
import { empty, row, table } from "../../parts/tables.ts";
import { clip, id, shellWord, text } from "../../parts/text.ts";
import type { Times } from "../../parts/times.ts";

/** The longest context, title or id that is looked for, in characters. */
const LONGEST = 1_000;

export const findPage: Page = {
  path: "/find",
  section: null,
  async show({ place, query, times }) {
    const q = (query.q ?? "").trim().slice(0, LONGEST);
    if (q === "") return { title: "Find", live: false, content: nothing(null) };
    const found = await findAnything(place, q);
    if (found.is === "one") return goTo(pageOf[found.kind](found.id));
    const { ofContext, byTitle, isMore } = found;
    const titles = byTitle ?? [];
    const isNone = ofContext.length === 0 && titles.length === 0;
    return {
      title: "Find",
      heading: text(q, 200),
      live: false,
      ...(!isNone && { under: said(ofContext.length, titles.length, isMore) }),
      shell: [`wochit-relay contexts show ${shellWord(q)}`, `wochit-relay videos list --title ${shellWord(q)}`],
      content: isNone
        ? nothing(found)
        : html`${group("Videos that have, or had, exactly this context", "context", ofContext, times)}${group("Videos with this in their title", "title", titles, times)}${isMore && html`<p class="actions">${linkButton(withQuery("/videos", { q }), "All with this title")}${linkButton(withQuery("/videos", { context: q }), "All with this context")}</p>`}`,
    };
  },
};

function said(contexts: number, titles: number, isMore: boolean): Html {
  const has = `${contexts === 1 ? "1 video has" : `${contexts} videos have`}, or had, exactly this context`;
  const holds = `${titles === 1 ? "1 title holds" : `${titles} titles hold`} it`;
  const all = [contexts > 0 && has, titles > 0 && holds].filter((words) => words !== false);
  return html`${all.join("; ")}${isMore && ", and there are more"}.`;
}

function group(words: string, name: string, videos: Video[], { when }: Times): Html {
  if (videos.length === 0) return none;
  const heads = [
    ["", "Video"],
    ["w-m mid", "Context"],
    ["w-s", "State"],
    ["w-time wide", "Last event"],
  ] as const;
  const rows = videos.map((video) =>
    row(
      `${name}-${video.videoId}`,
      html`<td class="main"><a class="clip" dir="auto" href="${pageOf.video(video.videoId)}">${video.title === null ? "no title" : text(video.title)}</a>${clip(video.videoId, "under id")}</td><td class="mid">${video.context === null ? html`<span class="soft">none</span>` : clip(video.context, "id")}</td><td>${state(video.state)}</td><td class="wide nowrap">${when(video.lastEventAt)}</td>`,
    ),
  );
  return html`<section aria-labelledby="${name}"><h2 id="${name}">${words}</h2><div class="card">${table({ caption: words, heads }, rows)}</div></section>`;
}

function nothing(found: (Found & { is: "some" }) | null): Html {
  if (found?.isId) {
    return empty(
      "Nothing has this id",
      html`<p>It has the form of an id. What was there stays, with its row, when its body has expired; an id of another relay, or of the other side of a restore, is not known here.</p>`,
    );
  }
  const forms = html`<p>Type above: a video's id or its context, exactly; a part of a title, of three letters or more; an id of anything here, like ${id("evt_06ff3nqk0003nhckv")}; or the name of an endpoint.</p>`;
  if (found === null) return empty("What can be found", forms);
  return empty(
    "Nothing is like that",
    html`${forms}<p class="actions">Did it never come? ${linkButton("/quarantine", "What was refused")} ${linkButton("/events", "What came")}</p>`,
  );
}
