import { retryDelivery, showDelivery } from "../../../actions/deliveries.ts";
import type { Act, Page, Visit } from "../../page.ts";
import { attemptList } from "../../parts/deliveries/attempts.ts";
import { describeTries } from "../../parts/deliveries/standing.ts";
import { gateWords } from "../../parts/deliveries/waits.ts";
import { type ShownDelivery, whyBox } from "../../parts/deliveries/why.ts";
import { type Html, html, type Piece } from "../../parts/html.ts";
import { isOwnPath, pageOf, withQuery } from "../../parts/links.ts";
import { shownState, state } from "../../parts/states.ts";
import { pairs } from "../../parts/tables.ts";
import { copy, id, number, text, typeName } from "../../parts/text.ts";
import { withTitles } from "../../titles.ts";

/** The newest attempts that are shown. */
const ATTEMPTS = 50;

export const deliveryPage: Page = {
  path: "/deliveries/:id",
  section: "/deliveries",
  async show(visit) {
    const { place, path, times } = visit;
    const { delivery: shown, ahead, more } = await showDelivery(place.store, path.id!, ATTEMPTS);
    const delivery = { ...shown, ahead };
    const title = (await withTitles(visit, [delivery]))[0]!.title;
    const { type, endpoint, createdAt } = delivery;
    return {
      title: `${delivery.id} to ${endpoint}`,
      crumbs: html`<a href="/deliveries">Deliveries</a> / ${id(delivery.id)}`,
      heading: html`${typeName(type)} to ${text(endpoint)}`,
      under: html`<span class="meta">${state(shownState(delivery))} <span>made ${times.at(createdAt, { relative: true })}</span>${title !== null && html` <span>${text(title)}</span>`}</span>`,
      shell: [`wochit-relay deliveries show ${delivery.id}`, `wochit-relay deliveries retry ${delivery.id}`],
      content: html`${whyBox(delivery, visit)}<div class="two">${attempts(delivery, more, visit)}${about(delivery, visit)}</div>`,
    };
  },
};

function attempts(delivery: ShownDelivery, isMore: boolean, { times }: Visit): Html {
  const { attempts, attemptsLeft, attemptLog } = delivery;
  const left = attemptsLeft === null ? "" : `, ${number(attemptsLeft)} left`;
  const older = html`<p class="small soft">The newest ${ATTEMPTS}:</p>`;
  const list =
    attemptLog.length === 0
      ? html`<p class="card pad soft">${attempts === 0 ? "None was made yet." : "They are no longer kept."}</p>`
      : attemptList(attemptLog, times);
  return html`<section id="attempts" data-part aria-labelledby="tried"><header><h2 id="tried">Attempts</h2><span class="soft small">${describeTries(delivery)}${left}</span></header>${isMore && older}${list}</section>`;
}

function about(delivery: ShownDelivery, { times }: Visit): Html {
  const { id, eventId, videoId, endpoint, nextAttemptAt, replay, gate } = delivery;
  const rows: (readonly [string, Piece])[] = [
    ["delivery", html`<span class="id">${id}</span> ${copy(id, "the delivery's id")}`],
    ["event", html`<a class="id" href="${pageOf.event(eventId)}">${eventId}</a> ${copy(eventId, "the event's id")}`],
    ["endpoint", html`<a href="${pageOf.endpoint(endpoint)}">${text(endpoint)}</a>`],
  ];
  if (videoId !== null) {
    rows.push(["video", html`<a class="id" href="${pageOf.video(videoId)}">${text(videoId, 300)}</a>`]);
  }
  if (gate !== null) {
    rows.push(["gate", html`opened ${times.at(gate.openedAt, { relative: true })}: ${gateWords(gate.by)}`]);
  }
  if (nextAttemptAt !== null) rows.push(["next attempt", times.at(nextAttemptAt, { relative: true })]);
  if (replay) rows.push(["replay", "of an event that was sent before"]);
  rows.push(["beside it", html`<a href="${withQuery("/deliveries", { eventId })}">All deliveries of the event</a>`]);
  return html`<section id="about" data-part aria-labelledby="what"><h2 id="what">What it is</h2><div class="card pad">${pairs(rows)}</div></section>`;
}

export const deliveryActs: Act[] = [
  {
    path: "/deliveries/:id/retry",
    page: ({ id }) => pageOf.delivery(id!),
    /** `to`: the page of the form, where it is another one. */
    async run({ place, path }, { fields: { to } }) {
      const { waitsFor } = await retryDelivery(place.store, path.id!, place.ports.clock.now());
      const there = to !== undefined && isOwnPath(to) ? to : pageOf.delivery(path.id!);
      if (waitsFor?.is === "lane") return { to: there, notice: "retried-behind", of: waitsFor.of! };
      const isHeld = ["pause", "breaker", "removed"].includes(waitsFor?.is ?? "");
      return { to: there, notice: isHeld ? "retried-held" : "retried" };
    },
  },
];
