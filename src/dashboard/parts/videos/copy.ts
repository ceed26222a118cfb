import { type Html, html } from "../html.ts";
import { pageOf } from "../links.ts";

// Copies as pages show them: through this listener, so that a login is needed, and nothing but pictures and films.

/** What browsers only ever show, and never run. */
const SHOWN = /^(?:video\/[\w.+-]+|image\/(?:jpeg|png|webp|gif))$/i;

type Shown = { id: string; videoId: string; kind: string; state: string; contentType: string | null };

export const isShown = ({ contentType }: Pick<Shown, "contentType">): boolean =>
  contentType !== null && SHOWN.test(contentType);

export const copyPath = ({ videoId, id }: Pick<Shown, "videoId" | "id">): string =>
  `${pageOf.video(videoId)}/media/${encodeURIComponent(id)}`;

/** The newest copy of a kind that can be shown. Ids sort by the time they were given. */
export function copyOf<Medium extends Shown>(media: Medium[], kind: "video" | "thumbnail"): Medium | null {
  const fit = media.filter((one) => one.kind === kind && one.state === "mirrored" && isShown(one));
  return fit.sort((a, b) => (a.id < b.id ? 1 : -1))[0] ?? null;
}

/** A small picture beside a row; an empty place where there is none. */
export function thumb(media: Shown[]): Html {
  const picture = copyOf(media, "thumbnail");
  return picture === null
    ? html`<span class="thumb"></span>`
    : html`<img class="thumb" src="${copyPath(picture)}" alt="" loading="lazy" width="64" height="36">`;
}

/** Films are loaded only when they are asked for. */
export function player(media: Shown[], why: Html): Html {
  const film = copyOf(media, "video");
  const picture = copyOf(media, "thumbnail");
  const poster = picture !== null && html` poster="${copyPath(picture)}"`;
  if (film === null && picture === null) return html`<div class="card pad soft">${why}</div>`;
  const shown =
    film === null
      ? html`<img src="${copyPath(picture!)}" alt="The mirrored thumbnail" loading="lazy">`
      : html`<video controls preload="none"${poster} width="1280" height="720" src="${copyPath(film)}" aria-label="The mirrored copy of the video"></video>`;
  return html`<div class="player">${shown}</div>${film === null && html`<p class="small soft">${why}</p>`}`;
}
