import { formatSize } from "../../../actions/format.ts";
import { answerBox, outcomeOf, tookOf } from "../deliveries/attempts.ts";
import { triesOf } from "../deliveries/standing.ts";
import { gateWords } from "../deliveries/waits.ts";
import { type Html, html, type Piece } from "../html.ts";
import { pageOf } from "../links.ts";
import { icon, type Shape, type Tone } from "../states.ts";
import { number, text } from "../text.ts";
import type { Times } from "../times.ts";
import type { Told, ToldDelivery } from "./tell.ts";

// What happened to an event, in order: one step a moment, and what comes next at the end.

type Moment = Told["moments"][number];
type Attempt = ToldDelivery["attemptLog"][number];

/** `isCalm`: a delivery that arrived, of which there may be many. */
type Step = { at: string; millis?: boolean; shape: Shape; tone?: Tone; said: Html; isNext?: boolean; isCalm?: boolean };

/** Attempts of one delivery that are each a step; what failed between the first and the last is folded. */
const STEPS = 3;

/** Deliveries that arrived one after the other and are a step each. */
const CALM = 5;

export function timelineOf(told: Told, times: Times): Html {
  const steps = told.moments.flatMap((moment): Step[] => {
    const made = stepOf(moment, told, times);
    return made === null ? [] : [made];
  });
  return html`<ol class="line card">${[...calmed(steps), ...nextSteps(told)].map((one) => written(one, times))}</ol>`;
}

/** Many that arrived one after the other are one step. */
function calmed(steps: Step[]): Step[] {
  const all: Step[] = [];
  for (let at = 0; at < steps.length; ) {
    let end = at;
    while (end < steps.length && steps[end]!.isCalm) end++;
    if (end - at > CALM) {
      const same = steps.slice(at, end);
      const said = html`<details><summary>${same.length} deliveries arrived</summary><ol class="plain">${same.map((one) => html`<li>${one.said}</li>`)}</ol></details>`;
      all.push({ ...same[0]!, said });
    } else all.push(...steps.slice(at, Math.max(end, at + 1)));
    at = Math.max(end, at + 1);
  }
  return all;
}

function written({ at: time, millis = false, shape, tone = "", said, isNext = false }: Step, { at }: Times): Html {
  return html`<li class="${tone}${isNext && " next"}">${at(time, { millis })}<span class="dot">${icon(shape)}</span><div class="said">${said}</div></li>`;
}

function stepOf(moment: Moment, told: Told, times: Times): Step | null {
  const { at, what, of } = moment;
  if (what === "received") return { at, millis: true, shape: "inbox", tone: "good", said: received(told.event) };
  const delivery = told.deliveries.find(({ id }) => id === of);
  if (delivery !== undefined)
    return what === "opened" ? gateStep(moment, told) : attemptStep(moment, delivery, told, times);
  return mediumStep(moment, told, times);
}

function received({ sourceAddress, dialect, sequence, contextFrom, duplicates, late }: Told["event"]): Html {
  const from = dialect === "notice" ? html`Made by the relay itself` : html`Received from ${text(sourceAddress)}`;
  const facts = [
    dialect !== "notice" && `${dialect} dialect`,
    sequence !== null && `sequence ${sequence}`,
    contextFrom === "event" && "context from the event itself",
    contextFrom === "mapping" && "context from what is known of its video",
    late && "taken in from quarantine later",
    duplicates > 0 && `came ${duplicates === 1 ? "once" : `${number(duplicates)} times`} more, which is counted here`,
  ].filter((fact) => fact !== false);
  return html`<span>${from}</span>${facts.length > 0 && html`<span class="under">${facts.join(" · ")}</span>`}`;
}

const MEDIA: Partial<Record<Moment["what"], readonly [words: string, shape: Shape, tone: Tone]>> = {
  tried: ["download begins", "down", ""],
  secured: ["secured", "check", "good"],
  mirrored: ["mirrored", "up", "good"],
  failed: ["not mirrored", "cross", "bad"],
  expired: ["lost: its link died first", "glass", "bad"],
  skipped: ["not downloaded", "dash", ""],
};

function mediumStep({ at, what, of, detail }: Moment, { media }: Told, { at: time }: Times): Step | null {
  const medium = media.find(({ id }) => id === of);
  const known = MEDIA[what];
  if (medium === undefined || known === undefined) return null;
  const [words, shape, tone] = known;
  const { id, kind, bytes, sha256, deadline, suspect, key } = medium;
  const under: Piece =
    what === "tried"
      ? html`the link dies ${time(deadline)}`
      : what === "secured"
        ? html`${bytes !== null && formatSize(bytes)}${sha256 !== null && html`, sha256 <span class="id">${sha256.slice(0, 16)}…</span>`}${suspect !== null && html` · suspect: ${text(suspect)}`}`
        : what === "mirrored"
          ? html`<span class="id">${text(key)}</span>`
          : detail !== null && text(detail, 300);
  const name = kind === "video" ? "Video" : "Thumbnail";
  const said = html`<span><a href="${pageOf.medium(id)}">${name}</a> ${words}</span>${under && html`<span class="under">${under}</span>`}`;
  return { at, millis: true, shape, tone, said };
}

/** Of several that opened at once, one step. */
function gateStep(moment: Moment, { moments }: Told): Step | null {
  const { at, detail } = moment;
  const together = moments.filter((one) => one.what === "opened" && one.at === at && one.detail === detail);
  if (together[0] !== moment) return null;
  const names = together.map(({ endpoint }, index) => html`${index > 0 && ", "}${text(endpoint)}`);
  const said = html`<span>Gate opened: ${gateWords(detail ?? "settled")}</span><span class="under">to ${names}</span>`;
  return { at, millis: true, shape: "gate", tone: "good", said };
}

function attemptStep({ at }: Moment, delivery: ToldDelivery, { deliveries }: Told, times: Times): Step | null {
  const { attemptLog, attempts, endpoint } = delivery;
  const isOne = deliveries.filter((one) => one.endpoint === endpoint).length === 1;
  const of = isOne ? "" : ` of ${delivery.id}`;
  const index = attemptLog.findIndex(({ startedAt }) => startedAt === at);
  const attempt = attemptLog[index]!;
  const isOk = attempt.error === null;
  const isLast = index === attemptLog.length - 1;
  if (attemptLog.length <= STEPS || index === 0 || (isLast && isOk)) {
    const tone = isOk ? "good" : "warn";
    return {
      at,
      millis: true,
      shape: isOk ? "send" : "alert",
      tone,
      said: saidOf(attempt, endpoint, of),
      isCalm: isOk,
    };
  }
  if (index > 1) return null;
  const end = attemptLog.at(-1)!.error === null ? -1 : undefined;
  const folded = attemptLog.slice(1, end);
  const unlogged =
    attempts > attemptLog.length ? `, and ${number(attempts - attemptLog.length)} that are not listed` : "";
  const kinds = new Set(folded.map(outcomeOf));
  const words = kinds.size === 1 ? html`all ${text([...kinds][0]!, 120)}` : html`${kinds.size} outcomes`;
  const rows = folded.map(
    (one) =>
      html`<li><b>${one.n}</b> · ${times.at(one.startedAt)} · ${text(outcomeOf(one), 120)} · ${tookOf(one)}${one.probe && " · a probe"}</li>`,
  );
  const last = folded.at(-1)!;
  const said = html`<details><summary>${text(endpoint)}: ${folded.length} more attempts, ${words}${unlogged}; the last ${times.since(last.startedAt)}</summary><ol class="plain">${rows}</ol>${answerBox(last.answer, `The last of these answers of ${endpoint}${of}`)}</details>`;
  return { at, millis: true, shape: "alert", tone: "warn", said };
}

/** `of`: the delivery, where there are several to the endpoint. */
function saidOf(attempt: Attempt, endpoint: string, of: string): Html {
  const { status, error } = attempt;
  const failed = status === null ? html`no answer: ${text(error, 200)},` : html`answered <b>${status}</b>`;
  const outcome = error === null ? html`delivered: ${status}` : failed;
  const line = html`<span><a href="${pageOf.endpoint(endpoint)}">${text(endpoint)}</a> ${outcome} in ${tookOf(attempt)}, attempt ${attempt.n}${attempt.probe && ", a probe"}</span>`;
  return html`${line}${answerBox(attempt.answer, `What ${endpoint} answered to attempt ${attempt.n}${of}`)}`;
}

function nextSteps({ newest }: Told): Step[] {
  return newest
    .filter(
      ({ state, nextAttemptAt, waitsFor }) => state === "pending" && nextAttemptAt !== null && waitsFor?.is === "retry",
    )
    .map((one) => ({
      at: one.nextAttemptAt!,
      shape: "clock",
      isNext: true,
      said: html`<span>${text(one.endpoint)}, ${nextAttempt(one)}</span>`,
    }));
}

/** "attempt 3 of 7"; after a retry "attempt 8, 1 of 7 since its retry". */
function nextAttempt(one: ToldDelivery): string {
  const { attempts, attemptsLeft } = one;
  const { all, fresh } = triesOf(one);
  const most = attemptsLeft === null ? "" : ` of ${attempts + attemptsLeft}`;
  if (fresh === null) return `attempt ${all + 1}${most}`;
  return `attempt ${all + 1}${most && `, ${fresh + 1}${most} since its retry`}`;
}
