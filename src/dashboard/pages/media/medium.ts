import { formatSize } from "../../../actions/format.ts";
import { explainMedium, retryMedium } from "../../../actions/media.ts";
import type { Act, Page } from "../../page.ts";
import { type Html, html, none, type Piece } from "../../parts/html.ts";
import { isOwnPath, pageOf } from "../../parts/links.ts";
import { mediumWhy, type ShownMedium, triesOf } from "../../parts/media/why.ts";
import { icon, state } from "../../parts/states.ts";
import { pairs } from "../../parts/tables.ts";
import { copy, id, number, text } from "../../parts/text.ts";
import type { Times } from "../../parts/times.ts";
import { withTitles } from "../../titles.ts";

export const mediumPage: Page = {
  path: "/media/:id",
  section: "/media",
  async show(visit) {
    const { place, path, times } = visit;
    const medium = await explainMedium(place.store, path.id!, await place.openLink());
    const title = (await withTitles(visit, [medium]))[0]!.title;
    const { kind, videoId, suspect } = medium;
    return {
      title: `${kind} of ${videoId}`,
      crumbs: html`<a href="/media">Media</a> / ${id(medium.id)}`,
      heading: html`${kind === "video" ? "Video" : "Thumbnail"} of ${text(title ?? videoId)}`,
      under: html`<span class="meta">${state(medium.state)}${suspect !== null && state("suspect")}${medium.bytes !== null && html` <span>${formatSize(medium.bytes)}</span>`} <span>video <a class="id" href="${pageOf.video(videoId)}">${text(videoId)}</a></span></span>`,
      shell: [`wochit-relay media retry ${medium.id}`, `wochit-relay events show ${medium.eventId}`],
      content: html`${mediumWhy(medium, visit)}<div class="two">${about(medium, times)}${story(medium, times)}</div>`,
    };
  },
};

function about(medium: ShownMedium, times: Times): Html {
  const { eventId, sourceUrl, contentType, bytes, sha256, key, place, url } = medium;
  const rows: (readonly [string, Piece])[] = [
    ["medium", html`<span class="id">${medium.id}</span> ${copy(medium.id, "the medium's id")}`],
    ["announced by", html`<a class="id" href="${pageOf.event(eventId)}">${eventId}</a>`],
    ["link", html`${id(sourceUrl)} <span class="soft">without its signature</span>`],
  ];
  const tries = triesOf(medium, times);
  if (tries !== none) rows.push(["download", tries]);
  if (place !== null) rows.push(["lies in", id(place)]);
  if (key !== null) rows.push(["key", id(key)]);
  if (url !== null)
    rows.push(["durable link", html`<a class="id" href="${url}">${url}</a> ${copy(url, "the durable link")}`]);
  if (contentType !== null) rows.push(["type", text(contentType)]);
  if (bytes !== null) rows.push(["size", `${number(bytes)} bytes`]);
  if (sha256 !== null) rows.push(["sha256", html`${id(sha256)} ${copy(sha256, "the sha256")}`]);
  return html`<section id="about" data-part aria-labelledby="what"><h2 id="what">What it is</h2><div class="card pad">${pairs(rows)}</div></section>`;
}

/** When it came to what. */
function story({ firstTriedAt, securedAt, settledAt, deadline, state }: ShownMedium, { at, now }: Times): Html {
  const dies = state === "mirrored" ? null : deadline;
  const line = (time: string | null, shape: string, tone: string, words: string) =>
    time === null
      ? []
      : [
          {
            time,
            markup: html`<li class="${tone}">${at(time)}<span class="dot">${icon(shape)}</span><div class="said">${words}</div></li>`,
          },
        ];
  const isGood = state === "mirrored";
  const all = [
    ...line(firstTriedAt, "down", "", "First tried"),
    ...line(securedAt, "check", "good", "Its bytes were safe here"),
    ...line(
      settledAt,
      isGood ? "up" : "dash",
      isGood ? "good" : "",
      isGood ? "Mirrored to the target" : `Came to its end: ${state}`,
    ),
    ...line(dies, "glass", "", Date.parse(deadline) < now ? "Its link died" : "Its link dies"),
  ].sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
  const list = all.length === 0 ? none : html`<ol class="line card">${all.map(({ markup }) => markup)}</ol>`;
  return html`<section id="story" data-part aria-labelledby="times"><h2 id="times">When</h2>${list}</section>`;
}

export const mediaActs: Act[] = [
  {
    path: "/media/:id/retry",
    page: ({ id }) => pageOf.medium(id!),
    /** `to`: the page of the form, where it is another one. */
    async run({ place, path }, { fields: { to } }) {
      await retryMedium(place.store, path.id!, await place.openLink(), place.ports.clock.now());
      return { to: to !== undefined && isOwnPath(to) ? to : pageOf.medium(path.id!), notice: "tried" };
    },
  },
];
