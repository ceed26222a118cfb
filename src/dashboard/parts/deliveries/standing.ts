import type { AttemptJson, DeliveryJson } from "../../../actions/json.ts";
import { act, linkButton } from "../forms.ts";
import { type Html, html, none, type Piece } from "../html.ts";
import { confirmOf, pageOf } from "../links.ts";
import { shownState, type Tone, toneOf } from "../states.ts";
import { number, text } from "../text.ts";
import type { Times } from "../times.ts";
import { waitWords } from "./waits.ts";

// How a delivery stands, in words that are the same on every page: what its endpoint answered, what comes next, what helps.

/** A delivery with its newest attempts. `ahead`: the one that goes first in its lane; null: none does, or it was not read. */
export type Standing = DeliveryJson & { attemptLog: AttemptJson[]; ahead: DeliveryJson | null };

/** Characters of an answer in a sentence. */
const BRIEF = 160;

/** How often it was tried in all, and (`fresh`) of that since it was retried, with a fresh budget; null: it was not. */
export function triesOf({ attempts, attemptLog }: Pick<Standing, "attempts" | "attemptLog">): {
  all: number;
  fresh: number | null;
} {
  if (attemptLog.length <= attempts) return { all: attempts, fresh: null };
  return { all: attemptLog.at(-1)!.n, fresh: attempts };
}

const counted = (count: number) => (count === 1 ? "1 attempt" : `${number(count)} attempts`);

/** "8 attempts, 1 of them since its retry" */
export function describeTries(one: Pick<Standing, "attempts" | "attemptLog">): string {
  const { all, fresh } = triesOf(one);
  return fresh === null ? counted(all) : `${counted(all)}, ${fresh === 0 ? "none" : fresh} of them since its retry`;
}

/** Whether it has not arrived, and is to. */
export const isLacking = ({ state }: Pick<Standing, "state">): boolean =>
  ["dead", "pending", "running", "waiting"].includes(state);

export function toneOfStanding(one: Pick<Standing, "state" | "attempts" | "waitsFor">): Tone {
  const isHeld = ["removed", "pause", "breaker"].includes(one.waitsFor?.is ?? "");
  return isHeld ? "warn" : toneOf(shownState(one));
}

/** What it was answered the last time, where it did not arrive. `whose`: how its endpoint is called in the sentence. */
export function answered(one: Standing, whose: Html, { since }: Pick<Times, "since">): Html {
  const { attemptLog, lastError } = one;
  const last = attemptLog.at(-1);
  if (last === undefined)
    return lastError === null ? none : html`<p>The last attempt failed: <b>${text(lastError, 300)}</b></p>`;
  if (last.error === null) return none;
  const { all } = triesOf(one);
  const same = attemptLog.filter(({ error }) => error === last.error).length;
  const every = all === 2 ? "both attempts" : `all ${counted(all)}`;
  const many = all <= 1 ? "the one attempt" : same >= all ? every : `the last of ${counted(all)}`;
  const said =
    last.status === null
      ? html`${whose} gave no answer to ${many}: <b>${text(last.error, 300)}</b>`
      : html`${whose} answered <b>${last.status}</b> to ${many}`;
  const answer = last.answer?.replace(/\s+/g, " ").trim() ?? "";
  const words = answer === "" ? none : html`: <span class="id">${text(answer, BRIEF)}</span>`;
  return html`<p>${said}, ${all > 1 && "the last "}${since(last.startedAt)}${words}</p>`;
}

/** What comes next of one that has not arrived. */
export function comesNext(one: Standing, whose: Html, times: Times): Html {
  const { state, attempts, attemptsLeft, waitsFor } = one;
  if (state === "running") return html`It is being sent now.`;
  if (state === "dead") return html`Given up after ${describeTries(one)}: nothing sends it again until you do.`;
  const { all, fresh } = triesOf(one);
  const before =
    all === 0
      ? html`${whose} has not been asked yet. `
      : fresh !== null &&
        html`It was retried: ${fresh === 0 ? "no attempt was" : `${counted(fresh)} ${fresh === 1 ? "was" : "were"}`} made since. `;
  const wait = waitsFor === null ? html`It is sent in a moment.` : html`It waits: ${waitOf(one, times)}.`;
  const left = attempts > 0 && attemptsLeft !== null;
  return html`${before}${wait} ${left ? `${attemptsLeft === 1 ? "1 attempt is" : `${number(attemptsLeft)} attempts are`} left; nothing` : "Nothing"} is lost.`;
}

/** What it waits for; of one that stands behind another also how that one stands. */
function waitOf({ waitsFor, ahead }: Pick<Standing, "waitsFor" | "ahead">, times: Times): Html {
  const words = waitWords(waitsFor, times);
  if (ahead === null) return words;
  const { state, attempts, lastError, waitsFor: its } = ahead;
  const failed = attempts > 0 && lastError !== null && html`<b>${text(lastError, 120)}</b>; `;
  const next =
    state === "running" ? "it is being sent now" : its === null ? "it is sent in a moment" : waitWords(its, times);
  return html`${words}: ${failed}${next}`;
}

/** What helps, first. `here`: the page that it stands on, which a retry comes back to; `isOnly`: the page is about it alone. */
export function helpOf(
  one: Pick<Standing, "id" | "state" | "endpoint" | "waitsFor">,
  visit: { can: "read" | "operate" },
  { here, isOnly }: { here: string; isOnly: boolean },
): Piece[] {
  const { id, state, endpoint, waitsFor } = one;
  const held = waitsFor?.is;
  const kind = isOnly ? "primary" : "";
  const ask = { kind, fields: { to: here }, ...(!isOnly && { about: `for ${endpoint}` }) } as const;
  const retry = () =>
    act(visit, `${pageOf.delivery(id)}/retry`, held === "gate" ? "Send it without them" : "Retry now", ask);
  const cancel =
    visit.can === "operate" &&
    (state === "waiting" || state === "pending" || state === "running") &&
    linkButton(confirmOf("cancel", { id, to: here }), "Cancel it…");
  if (held === "breaker" || held === "pause" || held === "removed") {
    return [linkButton(pageOf.endpoint(endpoint), html`Look at ${text(endpoint)}`, kind), cancel];
  }
  if (held === "lane") return [linkButton(pageOf.delivery(waitsFor!.of!), "Look at what goes first", kind), cancel];
  const isRetried = state !== "delivered" && state !== "superseded" && state !== "running" && held !== "slot";
  return [isRetried && retry(), cancel];
}
