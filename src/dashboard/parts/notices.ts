import { type Html, html, none, type Piece } from "./html.ts";
import { pageOf } from "./links.ts";
import { icon, type Tone } from "./states.ts";

/**
 * What is said on a page after something was done. In the address there is only the name: no page says the words of a link
 * from elsewhere. `$n` stands for a number, `$of` for a delivery.
 */
export const NOTICES = {
  retried: ["good", "It is tried again now. Its webhook-id stays the same: an app that keeps it does nothing twice."],
  "retried-behind": ["warn", "It begins anew, with all its attempts, in its turn: $of of the same video goes first."],
  "retried-held": ["warn", "It begins anew, with all its attempts, as soon as its endpoint is sent to again."],
  canceled: ["good", "It is canceled: nothing sends it again, unless you retry it."],
  replayed: ["good", "It is sent again, as new deliveries: $n made."],
  begun: ["good", "$n are worked on now, in order; this page shows how far it is."],
  stopped: ["good", "It stops where it is; what was done stays done."],
  paused: ["good", "Nothing is sent to it until it is resumed. What is for it waits, and none is lost."],
  resumed: ["good", "It is sent to again: what waited goes out in order, few at first."],
  probed: ["good", "It is asked at once with a delivery that waits; if it answers, the rest follows."],
  tried: ["good", "It is downloaded again, from the first attempt on."],
  "tried-many": ["good", "$n are downloaded again now. What could not be begun again is still here, with the reason."],
  taken: ["good", "It was taken in: it is an event now, and goes its way."],
  duplicate: ["good", "It was taken in: it repeats an event that is here, and is counted on that one."],
  verifying: ["good", "The copies are read and compared now; this page shows how far it is."],
  forgotten: ["good", "It is erased: bodies, titles, contexts and links. $n events lost their bodies."],
  examining: ["good", "Doctor looks at everything now; this page shows what it finds."],
  "logged-out": ["good", "You are logged out."],
  "logged-out-everywhere": ["good", "All sessions have ended, on every browser: $n."],
  "once-used": ["warn", "This link was used before, or is too old. Log in with the token instead."],
} as const satisfies Record<string, readonly [Tone, string]>;

export type NoticeName = keyof typeof NOTICES;

/** `isNew`: it is read out to who does not see it. */
export function notice(tone: Tone, words: Piece): Html {
  const shape = tone === "good" ? "check" : tone === "bad" ? "cross" : "alert";
  const role = tone === "bad" ? "alert" : "status";
  return html`<p class="notice${tone === "good" ? "" : ` ${tone}`}" role="${role}">${icon(shape)}<span>${words}</span></p>`;
}

/** The notice that an address names; nothing for another name. `n`, `of`: what stands in it, where they are what they must be. */
export function noticeOf({ done: name, n = "", of = "" }: Record<string, string>): Html {
  if (name === undefined || !Object.hasOwn(NOTICES, name)) return none;
  const [tone, words] = NOTICES[name as NoticeName];
  const count = /^\d{1,9}$/.test(n) ? Number(n).toLocaleString("en") : "some";
  const delivery = /^dlv_[0-9a-z]{1,40}$/.test(of)
    ? html`<a class="id" href="${pageOf.delivery(of)}">${of}</a>`
    : "another";
  const [before, after] = words.replace("$n", count).split("$of");
  return notice(tone, html`${before}${after !== undefined && html`${delivery}${after}`}`);
}
