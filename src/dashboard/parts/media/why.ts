import type { MediumJson } from "../../../actions/json.ts";
import type { explainMedium } from "../../../actions/media.ts";
import { act, linkButton } from "../forms.ts";
import { type Html, html, none, type Piece } from "../html.ts";
import { pageOf } from "../links.ts";
import { number, text } from "../text.ts";
import type { Times } from "../times.ts";
import { whyCard } from "../why.ts";
import { dueTone } from "./soon.ts";
import { RETRIED } from "./table.ts";

export type ShownMedium = Awaited<ReturnType<typeof explainMedium>>;

/** As a video's page has it: without the times at which it came to what. */
type Standing = MediumJson & Partial<Pick<ShownMedium, "securedAt" | "settledAt">>;

/** One box: whether there is a copy, why not, and what can be done. */
export function mediumWhy(medium: ShownMedium, { times, can }: { times: Times; can: "read" | "operate" }): Html {
  const { id, state, url, lastError } = medium;
  const [tone, title, words] = standing(medium, times);
  const said =
    lastError === null || state === "mirrored"
      ? none
      : html`<p>The last word on it: <b>${text(lastError, 300)}</b></p>`;
  const retry = RETRIED.includes(state) && act({ can }, `${pageOf.medium(id)}/retry`, "Try now", { kind: "primary" });
  const open = url !== null && linkButton(url, "Open the copy");
  return whyCard(tone, title, html`${said}<p>${words}</p>`, [retry, open]);
}

/** "tried 3 times, the next time at 14:02:11"; nothing before the first time. */
export function triesOf({ attempts, nextAttemptAt, state }: MediumJson, { at }: Pick<Times, "at">): Html {
  if (attempts === 0) return none;
  const next =
    nextAttemptAt === null
      ? state === "running" && ", now again"
      : html`, the next time ${at(nextAttemptAt, { relative: true })}`;
  return html`tried ${attempts === 1 ? "once" : `${number(attempts)} times`}${next}`;
}

/** How it stands, and what to do. */
export function standing(medium: Standing, { at, now }: Times): readonly [tone: string, title: string, words: Piece] {
  const { state, suspect, deadline, settledAt = null, bytes } = medium;
  const end = at(deadline, { relative: true });
  switch (state) {
    case "pending":
    case "running":
      // Known once all of it is on the disk.
      if (bytes !== null)
        return [
          "",
          "Its bytes are safe here",
          "They are on their way to the target: until they are there nothing is lost.",
        ];
      return [
        dueTone(Date.parse(deadline), now) || "busy",
        "It is not secured yet",
        html`Its link dies ${end}. Until then it is tried again; what was fetched so far is kept. A webhook that Wochit sends again brings a fresher link.`,
      ];
    case "failed":
      return ["bad", "There is no copy", "It is not tried again by itself. A retry begins anew."];
    case "expired":
      return [
        "bad",
        "Its link died before it was fetched",
        html`It died ${end}. A retry asks once more; a webhook that Wochit sends again brings a fresher link.`,
      ];
    case "skipped":
      return ["", "It was not fetched", "A retry fetches it after all, while its link lives."];
    case "mirrored":
      if (suspect !== null)
        return [
          "warn",
          "There is a copy, and it is odd",
          html`<b>${text(suspect, 300)}</b>. The bytes are those that the link gave.`,
        ];
      return [
        "good",
        "There is a copy",
        html`It was mirrored ${settledAt === null ? "before times were kept" : at(settledAt, { relative: true })}, and its bytes were checked.`,
      ];
    case "superseded":
      return ["", "A newer one stands in its place", "What is announced later under the same name is what counts."];
    case "deleted":
      return [
        "",
        "Its copy was deleted",
        settledAt === null
          ? "By the rules of the config, or because its video was erased."
          : html`${at(settledAt, { relative: true })}, by the rules of the config, or because its video was erased.`,
      ];
  }
}
