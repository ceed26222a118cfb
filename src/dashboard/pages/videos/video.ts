import { events } from "../../../actions/events.ts";
import { collect } from "../../../actions/list.ts";
import { retryMedium } from "../../../actions/media.ts";
import { withAround } from "../../../actions/outcome/around.ts";
import { showVideo } from "../../../actions/videos.ts";
import type { Act, Page, Visit } from "../../page.ts";
import type { EventRow } from "../../parts/events.ts";
import { linkButton } from "../../parts/forms.ts";
import { flag, type Html, html, type Piece } from "../../parts/html.ts";
import { confirmOf, pageOf, withQuery } from "../../parts/links.ts";
import { state } from "../../parts/states.ts";
import { pairs } from "../../parts/tables.ts";
import { bare, id as idText, number, shellWord, text } from "../../parts/text.ts";
import { player } from "../../parts/videos/copy.ts";
import { eventLine } from "../../parts/videos/events.ts";
import { copies, endpointsOf } from "../../parts/videos/has.ts";
import { lacksBox } from "../../parts/videos/lacks.ts";

/** Of each list of one video, and of its events. */
const SHOWN = 20;
const EVENTS = 50;

type Shown = Awaited<ReturnType<typeof showVideo>>["video"];

export const videoPage: Page = {
  path: "/videos/:id",
  section: "/videos",
  async show(visit) {
    const { place, path, times, can } = visit;
    const videoId = path.id!;
    const [{ video }, newest] = await Promise.all([
      place.openLink().then((link) => showVideo(place, videoId, link, SHOWN)),
      collect(events.rows(place, { videoId, limit: EVENTS + 1 })),
    ]);
    const shown = await withAround(place.store, newest.slice(0, EVENTS));
    const { title, media, undelivered, forgottenAt } = video;
    const dead = video.endpoints.reduce((sum, one) => sum + one.dead, 0);
    const retry =
      dead > 0 && linkButton(confirmOf("retry", { videoId, state: "dead" }), `Retry ${number(dead)} dead…`, "primary");
    const replay = linkButton(confirmOf("replay", { videoId }), "Replay its events…");
    const forget = linkButton(`${pageOf.video(videoId)}/forget`, "Forget…", "danger");
    return {
      title: bare(title ?? videoId, 120),
      crumbs: html`<a href="/videos">Videos</a> / ${idText(videoId)}`,
      heading: text(title ?? videoId, 300),
      under: underOf(video, visit),
      actions: can === "operate" && forgottenAt === undefined && html`${retry}${replay}${forget}`,
      shell: [
        `wochit-relay videos show ${shellWord(videoId)}`,
        `wochit-relay events list --video-id ${shellWord(videoId)}`,
      ],
      hasCopies: true,
      content: html`<div id="part-why" data-part>${lacksBox(videoId, undelivered, times)}</div><div class="two"><div class="stack">
<section id="part-player" data-part aria-label="The mirrored video"${flag("hidden", media.length === 0)}>${media.length > 0 && player(media, whyNoFilm(video))}</section>
${copies(media, visit, forgottenAt === undefined ? "It announced no media yet." : "It was erased on request: there are no copies.")}${endpointsOf(videoId, video.endpoints)}</div><div class="stack">${eventsOf(videoId, shown, newest.length > EVENTS, visit)}${contextsOf(video, visit)}</div></div>`,
    };
  },
};

function underOf({ state: word, duration, context, firstSeenAt, forgottenAt }: Shown, { times }: Visit): Html {
  const of =
    context === null
      ? html`<span>no context</span>`
      : html`<span>context <a href="${withQuery("/find", { q: context })}">${text(context)}</a></span>`;
  const erased = forgottenAt !== undefined && html`<span>erased ${times.at(forgottenAt, { relative: true })}</span>`;
  return html`<span class="meta">${state(word)} ${duration !== null && html`<span>${duration} s</span>`} ${of} <span>first seen ${times.at(firstSeenAt, { relative: true })}</span> ${erased}</span>`;
}

function whyNoFilm({ media }: Shown): Html {
  const films = media.filter(({ kind }) => kind === "video");
  const { state: word, lastError } = films.at(-1) ?? { state: null, lastError: null };
  if (word === null) return html`No film was announced yet.`;
  return html`The film is ${word === "mirrored" ? "of a type that browsers do not show" : word}${lastError !== null && html`: ${text(lastError, 300)}`}.`;
}

function eventsOf(videoId: string, shown: EventRow[], isMore: boolean, { times }: Visit): Html {
  const all = html`<a class="small" href="${withQuery("/events", { videoId })}">${isMore ? `More than these ${EVENTS}` : `All ${shown.length}`}</a>`;
  const list =
    shown.length === 0
      ? html`<div class="card pad soft">No event named it; an import of contexts did.</div>`
      : eventLine(shown, times);
  return html`<section id="part-events" data-part aria-labelledby="events"><header><h2 id="events">Its events, newest first</h2>${shown.length > 0 && all}</header>${list}</section>`;
}

function contextsOf({ contextHistory }: Shown, { times }: Visit): Html {
  const all = [...contextHistory]
    .reverse()
    .map(({ context, since }, index): readonly [Piece, Piece] => [
      index === 0 ? "now" : "before",
      html`<a href="${withQuery("/find", { q: context })}">${text(context, 300)}</a> <span class="soft">since ${times.at(since)}</span>`,
    ]);
  const none = html`<p class="soft">None is known: no event of it had one.</p>`;
  return html`<section id="part-contexts" data-part aria-labelledby="contexts"><h2 id="contexts">Contexts</h2><div class="card pad">${all.length === 0 ? none : pairs(all)}</div></section>`;
}

export const videoActs: Act[] = [
  {
    path: "/videos/:id/media/:medium/retry",
    page: ({ id }) => pageOf.video(id!),
    async run({ place, path }) {
      const { store, ports } = place;
      await retryMedium(store, path.medium!, await place.openLink(), ports.clock.now());
      return { to: pageOf.video(path.id!), notice: "tried" };
    },
  },
];
