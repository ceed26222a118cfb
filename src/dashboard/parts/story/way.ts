import { triesOf } from "../deliveries/standing.ts";
import { gateWords, waitBriefly } from "../deliveries/waits.ts";
import { type Html, html, none, type Piece } from "../html.ts";
import { icon, type Shape, shapeOf, shownState, type Tone, toneOf } from "../states.ts";
import { number, text } from "../text.ts";
import type { Times } from "../times.ts";
import type { Told, ToldDelivery, ToldMedium } from "./tell.ts";

// The way of an event at a glance: received, secured, mirrored, let through, and what each app has.

type Station = { tone: Tone; shape: Shape; name: string; under: Piece };

/** Endpoints with a place of their own. */
const PLACES = 5;

export function way({ event, media, newest }: Told, times: Times): Html {
  const stations = [
    { tone: "good", shape: "check", name: "Received", under: times.at(event.receivedAt) } as const,
    ...mediaStations(media, event.receivedAt, times),
    ...gateStation(newest, event.receivedAt, times),
    ...endpointStations(newest, times),
  ];
  const list = stations.map(
    ({ tone, shape, name, under }) =>
      html`<li class="${tone}"><b>${icon(shape)}${text(name, 60)}</b><span class="under">${under}</span></li>`,
  );
  return html`<section id="part-way" data-part aria-labelledby="way"><h2 class="sr" id="way">Its way</h2><ol class="way card">${list}</ol></section>`;
}

/** "after 2 min"; within a second it was at once. */
const soon = (span: string) => (span === "now" ? "at once" : `after ${span}`);

const files = (count: number) => (count === 1 ? "1 file" : `${count} files`);

/** Media that are, or were, to be had. */
function mediaStations(media: ToldMedium[], since: number, { span, now }: Times): Station[] {
  const meant = media.filter(({ state }) => state !== "skipped" && state !== "superseded" && state !== "deleted");
  if (meant.length === 0) return [];
  const lost = meant.filter(({ state }) => state === "failed" || state === "expired");
  const after = (moments: (number | null)[]) => soon(span(now + Math.max(...moments.map((at) => at ?? since)) - since));
  const station = (name: string, done: ToldMedium[], word: string, last: (number | null)[]): Station => {
    if (lost.length > 0 && done.length + lost.length === meant.length) {
      return { tone: "bad", shape: "cross", name, under: `${files(lost.length)} lost` };
    }
    if (done.length === meant.length) {
      return { tone: "good", shape: "check", name, under: `${files(done.length)}, ${after(last)}` };
    }
    return { tone: "busy", shape: "half", name, under: `${done.length} of ${files(meant.length)} ${word}` };
  };
  const secured = meant.filter(({ securedAt, state }) => securedAt !== null || state === "mirrored");
  const mirrored = meant.filter(({ state }) => state === "mirrored");
  return [
    station(
      "Secured",
      secured,
      "safe",
      secured.map(({ securedAt }) => securedAt),
    ),
    station(
      "Mirrored",
      mirrored,
      "kept",
      mirrored.map(({ settledAt }) => settledAt),
    ),
  ];
}

function gateStation(newest: ToldDelivery[], since: number, { span, now, at }: Times): Station[] {
  const waits = newest.find(({ waitsFor }) => waitsFor?.is === "gate");
  if (waits !== undefined) {
    const until = waits.waitsFor!.until;
    return [
      { tone: "busy", shape: "gate", name: "Gate", under: html`opens at ${until !== null && at(until)} at last` },
    ];
  }
  const opened = newest.flatMap(({ gate }) => (gate === null ? [] : [gate]));
  const [first] = opened;
  if (first === undefined) return [];
  const after = soon(span(now + Date.parse(first.openedAt) - since));
  return [{ tone: "good", shape: "check", name: "Gate open", under: `${gateWords(first.by)}, ${after}` }];
}

/** Where there are many, by name only those that do not have it. */
function endpointStations(newest: ToldDelivery[], times: Times): Station[] {
  const station = (one: ToldDelivery): Station => {
    const word = shownState(one);
    return { tone: toneOf(word), shape: shapeOf(word), name: one.endpoint, under: shortly(one, times) };
  };
  const lacking = newest.filter(({ state }) => state !== "delivered");
  const having = newest.filter(({ state }) => state === "delivered");
  if (newest.length <= PLACES) return [...lacking, ...having].map(station);
  const stations = lacking.slice(0, PLACES - 1).map(station);
  const rest = lacking.length - stations.length;
  if (rest > 0) stations.push({ tone: "", shape: "dash", name: `${number(rest)} more`, under: "do not have it" });
  if (having.length > 0) {
    stations.push({ tone: "good", shape: "check", name: `${number(having.length)} endpoints`, under: "have it" });
  }
  return stations;
}

function shortly(one: ToldDelivery, times: Times): Piece {
  const { state, attempts, attemptLog, lastError, waitsFor } = one;
  const last = attemptLog.at(-1);
  const { all } = triesOf(one);
  if (state === "delivered") return html`${last?.status ?? "delivered"}${all > 1 && `, attempt ${all}`}`;
  const failed = attempts === 0 ? none : html`${attempts} × ${last?.status ?? text(lastError, 60)}, `;
  if (state !== "pending" && state !== "waiting") return html`${failed}${state}`;
  return html`${failed}${waitsFor === null ? "is sent in a moment" : waitBriefly(waitsFor, times)}`;
}
