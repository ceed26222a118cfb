import { previewMessage } from "../../../actions/feed/preview.ts";
import { formatSpan } from "../../../actions/format.ts";
import { readAhead } from "../../../actions/outcome/ahead.ts";
import { newestByEndpoint, readStory } from "../../../actions/outcome/story.ts";
import { bytesAnswer } from "../../../admin/bytes.ts";
import { RelayError } from "../../../errors.ts";
import type { Page, Visit } from "../../page.ts";
import { linkButton } from "../../parts/forms.ts";
import { type Html, html } from "../../parts/html.ts";
import { pageOf, withQuery } from "../../parts/links.ts";
import { state } from "../../parts/states.ts";
import { receivedBody, sentBody } from "../../parts/story/body.ts";
import { timelineOf } from "../../parts/story/line.ts";
import { deliveriesOf, durableLinks, ids } from "../../parts/story/sections.ts";
import { type Told, tell } from "../../parts/story/tell.ts";
import { way } from "../../parts/story/way.ts";
import { whyBox } from "../../parts/story/why.ts";
import { bare, id as idText, text, typeName } from "../../parts/text.ts";

/** Deliveries of an event on its page. */
const SHOWN = 50;

/** Commands that are offered. */
const COMMANDS = 3;

export const eventPage: Page = {
  path: "/events/:id",
  section: "/events",
  async show(visit) {
    const { place, path, times, can } = visit;
    const [story, body, link, sent] = await Promise.all([
      readStory(place.store, path.id!, SHOWN),
      keptBody(visit),
      place.openLink(),
      chosenPreview(visit),
    ]);
    const told = tell(story, link, await readAhead(place.store, newestByEndpoint(story.deliveries)));
    const { event, title, media, deliveries, newest } = told;
    const { id, type, videoId } = event;
    const further = story.more ? withQuery("/deliveries", { eventId: id }) : null;
    const all = place.config.endpoints.map((one) => one.id);
    const name = typeName(type, event.dialect === "legacy");
    return {
      title: bare(`${type ?? "Event"} of ${videoId ?? "the relay"}`, 120),
      crumbs: crumbsOf(event),
      heading: title === null ? name : html`${name} · ${text(title, 200)}`,
      under: underOf(event, visit),
      actions: can === "operate" && body !== null && linkButton(`${pageOf.event(id)}/replay`, "Replay…"),
      shell: commandsOf(told),
      content: html`<div id="part-why" data-part>${whyBox(newest, { can, times, here: pageOf.event(id) })}</div>${way(told, times)}<div class="two"><div class="stack">
<section id="part-timeline" data-part aria-labelledby="timeline"><header><h2 id="timeline">Timeline</h2><span class="soft small" data-zone>${times.zone}</span></header>${timelineOf(told, times)}</section>
${deliveriesOf(deliveries, { can, times, here: pageOf.event(id) }, further)}</div>
<div class="stack">${durableLinks(media)}${receivedBody(id, body, formatSpan(place.config.retention.bodies))}${body !== null && all.length > 0 && sentBody(id, all, { ...sent, received: body })}${idsOf(told)}</div></div>`,
    };
  },
};

function crumbsOf({ videoId, sequence }: Told["event"]): Html {
  const video = videoId !== null && html` / <a class="id" href="${pageOf.video(videoId)}">${idText(videoId)}</a>`;
  return html`<a href="/events">Events</a>${video}${sequence !== null && html` / the ${ordinal(sequence)} of its video`}`;
}

function underOf({ status, receivedAt, context }: Told["event"], { times }: Visit): Html {
  const of =
    context === null
      ? html`<span>no context</span>`
      : html`<span>context <a href="${withQuery("/find", { q: context })}">${text(context)}</a></span>`;
  return html`<span class="meta">${state(status)} <span>received ${times.at(receivedAt, { relative: true })}</span> ${of}</span>`;
}

function commandsOf({ event: { id }, newest }: Told): string[] {
  const open = newest.filter(({ state }) => state === "dead" || state === "pending");
  const retries = open.slice(0, COMMANDS).map((one) => `wochit-relay deliveries retry ${one.id}`);
  return [`wochit-relay events show ${id}`, `wochit-relay events show ${id} --body`, ...retries];
}

function idsOf({ event: { id, videoId } }: Told): Html {
  const video = videoId === null ? [] : [["video", videoId, pageOf.video(videoId)] as const];
  return ids([["event", id], ...video]);
}

/** "1st", "12th". */
function ordinal(n: number): string {
  const words = { one: "st", two: "nd", few: "rd" } as Record<string, string>;
  return `${n}${words[new Intl.PluralRules("en", { type: "ordinal" }).select(n)] ?? "th"}`;
}

/** Null: it has been pruned. */
async function keptBody({ place, path }: Visit): Promise<Uint8Array | null> {
  return place.store.eventBody(path.id!).catch((error) => {
    if (error instanceof RelayError && error.code === "body_expired") return null;
    throw error;
  });
}

/** What the endpoint of the address would be sent. `problem`: why that is not known. */
async function chosenPreview({ place, path, query }: Visit) {
  const { preview: endpoint } = query;
  if (endpoint === undefined) return { preview: null, problem: null };
  const now = { now: place.ports.clock.now(), version: place.version };
  try {
    return { preview: await previewMessage(place, { eventId: path.id!, endpoint }, now), problem: null };
  } catch (error) {
    if (!(error instanceof RelayError) || error.code === "store_unavailable") throw error;
    return { preview: null, problem: error.message };
  }
}

export const eventBodyPage: Page = {
  path: "/events/:id/body",
  section: "/events",
  show: async ({ place, path }) => bytesAnswer(await place.store.eventBody(path.id!), path.id!),
};
