import type { Undelivered } from "../../../actions/outcome/of-video.ts";
import { linkButton } from "../forms.ts";
import { type Html, html, none, type Piece } from "../html.ts";
import { pageOf, withQuery } from "../links.ts";
import { number, text, typeName } from "../text.ts";
import type { Times } from "../times.ts";

// Which endpoints lack something of a video, and why, in one box.

/** Endpoints that have words of their own. */
const SHOWN = 4;

/** As the commands write a time. */
const TIME = /(\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)/;

/** The words of a reason, with its times in the zone of who looks. */
export const reasonWords = (why: string, { at }: Pick<Times, "at">): Piece[] =>
  why
    .split(TIME)
    .map((part, index) => (index % 2 === 1 ? at(part.replace(" ", "T"), { relative: true }) : text(part, 300)));

/** `undelivered`: newest first. Nothing where each endpoint has all of it. */
export function lacksBox(videoId: string, undelivered: Undelivered[], times: Times): Html {
  const byEndpoint = [...Map.groupBy(undelivered, ({ endpoint }) => endpoint).values()];
  if (byEndpoint.length === 0) return none;
  // Endpoints that lack the same for the same reason are one matter.
  const all = [...Map.groupBy(byEndpoint, (own) => `${own.at(-1)!.eventId} ${own.at(-1)!.why}`).values()];
  all.sort((a, b) => rank(a[0]!) - rank(b[0]!));
  const [worst] = all[0]!;
  const many =
    byEndpoint.length === 1 ? html`${text(worst![0]!.endpoint)} does` : html`${byEndpoint.length} endpoints do`;
  const rest = all.slice(SHOWN).flat().length;
  const more =
    rest > 0 && html`<p><a href="${withQuery("/deliveries", { videoId })}">And ${number(rest)} more endpoints</a></p>`;
  const tone = ["bad", "warn", "busy"][rank(worst!)];
  const said = all.slice(0, SHOWN).map((same) => lackOf(same, times, all.length === 1));
  const hint =
    tone === "bad" &&
    html`<p class="small soft">A retry sends again what is dead, each delivery in its place and under its webhook-id: an app that has it already does nothing twice. A replay sends all of its events once more, those that arrived too: for an app that has lost them.</p>`;
  return html`<section class="why ${tone}" aria-labelledby="why"><h2 id="why">${many} not have all of it</h2>${said}${more}${hint}</section>`;
}

/** Dead ones first, then those that have failed, then those on their way. */
function rank(own: Undelivered[]): number {
  if (own.some(({ state }) => state === "dead")) return 0;
  return own.some(({ attempts }) => attempts > 0) ? 1 : 2;
}

/** Endpoints in the same case: the first that they lack, and how many more. */
function lackOf(same: Undelivered[][], times: Times, isOnly: boolean): Html {
  const { eventId, type, why } = same[0]!.at(-1)!;
  const names = same.map(
    ([{ endpoint } = { endpoint: "" }], index) =>
      html`${index > 0 && ", "}<a href="${pageOf.endpoint(endpoint)}">${text(endpoint)}</a>`,
  );
  const rest = same.reduce((sum, own) => sum + own.length - 1, 0);
  const behind =
    rest > 0 && html` ${rest === 1 ? "One more delivery has" : `${number(rest)} more deliveries have`} not arrived.`;
  const words = html`<p>${names} ${same.length === 1 ? "lacks" : "lack"} <a href="${pageOf.event(eventId)}">${typeName(type)}</a>: ${reasonWords(why, times)}.${behind}</p>`;
  const see = linkButton(pageOf.event(eventId), "See why", isOnly ? "" : "tiny");
  return html`<div class="stack tight">${words}<div class="actions">${see}</div></div>`;
}
