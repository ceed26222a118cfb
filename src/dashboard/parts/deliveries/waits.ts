import type { DeliveryJson } from "../../../actions/json.ts";
import { describeWait } from "../../../rules/waits.ts";
import { type Html, html, none, type Piece } from "../html.ts";
import { pageOf } from "../links.ts";
import { id } from "../text.ts";
import type { Times } from "../times.ts";

// What stands in the words for a time, and for what they name: markup is put there.
const TIME = "\u0001";
const NAMED = "\u0002";

/** What a delivery waits for, in the words of the rules, with times of who looks, and links to what holds it. */
export function waitWords(wait: DeliveryJson["waitsFor"], { at }: Pick<Times, "at">): Html {
  if (wait === null) return none;
  const { is, until, of } = wait;
  const linked = linkOf(is, of);
  const facts = { is, until: until === null ? null : Date.parse(until), of: linked === null ? of : NAMED };
  const parts = describeWait(facts, () => TIME).split(/([\u0001\u0002])/);
  const put = (part: string): Piece => {
    if (part === NAMED) return linked;
    return part === TIME ? at(until!, { relative: true }) : part;
  };
  return html`${parts.map(put)}`;
}

/** The same in few words, for a row of a list. */
export function waitBriefly(wait: NonNullable<DeliveryJson["waitsFor"]>, { at }: Pick<Times, "at">): Html {
  const { is, until, of } = wait;
  const time = until === null ? none : at(until, { relative: true });
  switch (is) {
    case "removed":
      return html`held: its endpoint is not in the config`;
    case "pause":
      return html`its endpoint is paused`;
    case "breaker":
      return html`its endpoint fails; probed ${time}`;
    case "lane":
      return html`behind ${linkOf(is, of)}`;
    case "gate":
      return html`for its media, at most until ${time}`;
    case "retry":
      return html`next ${time}`;
    case "slot":
      return html`for its turn`;
  }
}

function linkOf(is: NonNullable<DeliveryJson["waitsFor"]>["is"], of: string | null): Html | null {
  if (of === null) return null;
  if (is === "lane") return html`<a href="${pageOf.delivery(of)}">${id(of)}</a>`;
  return is === "removed" || is === "breaker" ? html`<a href="${pageOf.endpoint(of)}">${id(of)}</a>` : null;
}

const GATES: Record<string, string> = {
  settled: "its media are settled",
  thumbnail: "only the thumbnail was missing",
  maxWait: "it had waited for as long as it may",
  delete: "the video was deleted",
};

/** Why a gate opened. */
export const gateWords = (by: string): string => GATES[by] ?? by;
