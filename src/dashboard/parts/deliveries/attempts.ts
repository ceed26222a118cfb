import type { AttemptJson } from "../../../actions/json.ts";
import { lasted } from "../endpoints/table.ts";
import { type Html, html, none } from "../html.ts";
import { icon } from "../states.ts";
import { lines, number, text } from "../text.ts";
import type { Times } from "../times.ts";

/** Attempts that are shown as they are; of more than that those between the first and the last ones are folded. */
const OPEN = 4;

/** Bytes of an answer that are shown here; all that is kept of it is in the API. */
const SHOWN = 4_096;

/** How long an attempt took. */
export const tookOf = ({ startedAt, endedAt }: Pick<AttemptJson, "startedAt" | "endedAt">): string =>
  lasted(Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)));

/** What an attempt came to: "HTTP 422". */
export const outcomeOf = ({ status, error }: Pick<AttemptJson, "status" | "error">): string =>
  error ?? (status === null ? "no answer" : `HTTP ${status}`);

/** What an endpoint answered, as text. Nothing where it said nothing. */
export function answerBox(answer: string | null, label: string): Html {
  if (answer === null || answer.trim() === "") return none;
  const rest = answer.length - SHOWN;
  const more = rest > 0 ? html`\n<span class="odd">and ${number(rest)} characters more</span>` : none;
  return html`<pre class="answer" tabindex="0" role="region" aria-label="${label}">${lines(answer.slice(0, SHOWN))}${more}</pre>`;
}

/** Attempts in their order, one line each. */
export function attemptList(all: AttemptJson[], times: Times): Html {
  const line = (one: AttemptJson) => attemptLine(one, times);
  if (all.length <= OPEN) return html`<ol class="line card">${all.map(line)}</ol>`;
  const [first, last] = [all[0]!, all.at(-1)!];
  const between = all.slice(1, -1);
  const kinds = [...new Set(between.map(outcomeOf))];
  const words = kinds.length === 1 ? `all ${kinds[0]}` : `${kinds.length} different outcomes`;
  const folded = html`<li><span class="at"></span><span class="dot">${icon("dash")}</span><div class="said"><details id="between"><summary>${between.length} more attempts, ${text(words)}</summary><ol class="plain stack tight">${between.map((one) => html`<li>${attemptSaid(one, times)}</li>`)}</ol></details></div></li>`;
  return html`<ol class="line card">${line(first)}${folded}${line(last)}</ol>`;
}

function attemptLine(one: AttemptJson, times: Times): Html {
  const [tone, shape] = one.error === null ? (["good", "check"] as const) : (["bad", "cross"] as const);
  return html`<li class="${tone}">${times.at(one.startedAt, { millis: true })}<span class="dot">${icon(shape)}</span><div class="said">${attemptSaid(one, times, false)}</div></li>`;
}

function attemptSaid(one: AttemptJson, { at }: Times, hasTime = true): Html {
  const { n, startedAt, answer, retryAfter, bytes, sha256, probe } = one;
  const asked = retryAfter === null ? none : html` · asked to be left alone for ${number(retryAfter)} s`;
  const sent =
    bytes === null
      ? html`nothing was sent`
      : html`${number(bytes)} bytes sent${sha256 !== null && html`, sha256 <span class="id">${sha256.slice(0, 16)}…</span>`}`;
  return html`<span><b>${text(outcomeOf(one), 300)}</b> in ${tookOf(one)}, attempt ${n}${probe && ", a probe"}${hasTime && html` · ${at(startedAt, { millis: true })}`}</span><span class="under">${sent}${asked}</span>${answerBox(answer, `The answer to attempt ${n}`)}`;
}
