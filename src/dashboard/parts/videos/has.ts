import { formatSize } from "../../../actions/format.ts";
import type { MediumJson } from "../../../actions/json.ts";
import type { EndpointOfVideo } from "../../../actions/outcome/of-video.ts";
import { act } from "../forms.ts";
import { type Html, html, none } from "../html.ts";
import { pageOf, withQuery } from "../links.ts";
import { RETRIED } from "../media/table.ts";
import { standing, triesOf } from "../media/why.ts";
import { icon, shapeOf, state, toneOf } from "../states.ts";
import { row, table } from "../tables.ts";
import { copy, number, text } from "../text.ts";
import type { Times } from "../times.ts";
import { copyPath } from "./copy.ts";

// What there is of a video: its copies, and what its endpoints have.

/** Each medium, newest first: where its copy is, or why there is none. `absent`: what is said where there is no medium. */
export function copies(media: MediumJson[], visit: { can: "read" | "operate"; times: Times }, absent: string): Html {
  const rows = [...media].reverse().map((one) => {
    const { id, kind, state: word, bytes, sha256, key, url, lastError, suspect, videoId } = one;
    const retry =
      RETRIED.includes(word) &&
      html`<div class="actions">${act(visit, `${copyPath({ videoId, id })}/retry`, "Try again", { kind: "tiny", about: id })}</div>`;
    const mark = sha256 !== null && html`<span class="under id clip">sha256 ${sha256.slice(0, 16)}…</span>`;
    const odd = suspect !== null && html`<span class="under">suspect: ${text(suspect, 200)}</span>`;
    const why = word !== "mirrored" && lastError !== null && html`<span class="under">${text(lastError, 200)}</span>`;
    const size = bytes === null ? "–" : html`<span title="${number(bytes)} bytes">${formatSize(bytes)}</span>`;
    const where =
      url !== null && html`<span class="id">${text(key, 200)}</span> ${copy(url, `the link of the ${kind}`)}`;
    return row(
      id,
      html`<td class="main"><a href="${pageOf.medium(id)}">${kind}</a>${mark}${odd}${why}</td><td>${state(word)}${retry}</td><td class="num mid">${size}</td><td class="wide">${where}</td>`,
    );
  });
  const heads = [
    ["", "Kind"],
    ["w-s", "State"],
    ["w-f num mid", "Size"],
    ["w-m wide", "Where"],
  ] as const;
  const list = html`<div class="card">${table({ caption: "Media of this video, newest first", heads }, rows)}${missing(media, visit.times)}</div>`;
  return html`<section id="part-copies" data-part aria-labelledby="files"><h2 id="files">Copies</h2>${media.length === 0 ? html`<div class="card pad soft">${absent}</div>` : list}</section>`;
}

/** Of those that have no copy yet, or never: when they are tried next, when their links die, and what to do. */
function missing(media: MediumJson[], times: Times): Html {
  const all = media.filter(({ state }) => RETRIED.includes(state) || state === "running");
  if (all.length === 0) return none;
  const words = all.map((one) => {
    const tries = triesOf(one, times);
    const [, , advice] = standing(one, times);
    return html`<p>The ${one.kind}${tries !== none && html` was ${tries}`}. ${advice}</p>`;
  });
  return html`<div class="pad small soft stack tight">${words}</div>`;
}

/** What each endpoint has of a video, those that lack most first. */
export function endpointsOf(videoId: string, endpoints: EndpointOfVideo[]): Html {
  const worst = endpoints.toSorted((a, b) => b.dead - a.dead || b.undelivered - a.undelivered);
  const rows = worst.map(({ endpoint, delivered, undelivered, dead, newest }) => {
    const all = [
      dead > 0 && counted("dead", dead, "dead"),
      undelivered > 0 && counted("pending", undelivered, "on its way"),
      delivered > 0 && counted("delivered", delivered, "delivered"),
    ];
    const hasSome = all.some((one) => one !== false);
    return row(
      `of-${endpoint}`,
      html`<td class="main"><a class="clip" dir="auto" href="${withQuery("/deliveries", { videoId, endpoint })}">${endpoint}</a><span class="under">${hasSome && "newest: "}${text(newest)}</span></td><td><span class="states">${hasSome ? all : html`<span class="soft">nothing</span>`}</span></td>`,
    );
  });
  const heads = [
    ["", "Endpoint"],
    ["w-m", "Has"],
  ] as const;
  const list = table({ caption: "Deliveries of this video by endpoint", heads }, rows);
  return html`<section id="part-apps" data-part aria-labelledby="apps"><h2 id="apps">What each endpoint has</h2><div class="card">${list}</div></section>`;
}

const counted = (word: string, count: number, words: string) =>
  html`<span class="state plain ${toneOf(word)}">${icon(shapeOf(word))}<span>${number(count)} ${words}</span></span>`;
