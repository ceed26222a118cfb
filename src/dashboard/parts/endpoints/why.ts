import type { EndpointJson } from "../../../actions/endpoints.ts";
import { type Held, heldBriefly } from "../../../actions/outcome/held.ts";
import { act, linkButton } from "../forms.ts";
import { type Html, html, none } from "../html.ts";
import { confirmOf, pageOf, withQuery } from "../links.ts";
import { number, text } from "../text.ts";
import type { Times } from "../times.ts";
import { whyCard } from "../why.ts";
import { heldMany } from "./table.ts";

type Shown = { times: Times; can: "read" | "operate"; isPausedByConfig: boolean; held: Held | null };

/** One box: why nothing, or little, is sent to it, and what ends that; nothing where all is well. */
export function endpointWhy(endpoint: EndpointJson, shown: Shown): Html {
  const { id, state, dead, waiting, pending, running } = endpoint;
  const open = waiting + pending + running;
  const see =
    open > 0 && linkButton(withQuery("/deliveries", { endpoint: id, state: "all" }), `See the ${number(open)}`);
  switch (state) {
    case "failing":
      return whyCard("bad", "Why little is sent", failing(endpoint, open, shown.times), [
        act(shown, `${pageOf.endpoint(id)}/probe`, "Probe now", { kind: "primary" }),
        see,
      ]);
    case "paused":
      return whyCard("warn", "Why nothing is sent", paused(endpoint, open, shown), [
        !shown.isPausedByConfig && act(shown, `${pageOf.endpoint(id)}/resume`, "Resume", { kind: "primary" }),
        see,
      ]);
    case "removed": {
      const cancel =
        open > 0 && shown.can === "operate" && linkButton(confirmOf("cancel", { endpoint: id }), "Cancel them…");
      const words = html`<p>It is not in the config. What there is for it (${number(open)}) is held until it returns, or is canceled; it uses up no attempts.</p>`;
      return whyCard("", "Why nothing is sent", words, [see, cancel]);
    }
    case "active":
      return dead === 0 && shown.held === null ? none : lackBox(id, dead, shown);
  }
}

const held = (open: number): string =>
  open === 0
    ? "Nothing waits for it."
    : `${number(open)} ${open === 1 ? "delivery waits and uses" : "deliveries wait and use"} up no attempts.`;

function failing({ failingSince, nextProbeAt, reason }: EndpointJson, open: number, { at }: Times): Html {
  const probe = nextProbeAt === null ? none : html`, the next ${at(nextProbeAt, { relative: true })}`;
  return html`<p>Its breaker is open: it fails since ${at(failingSince!, { relative: true })}, the last time with <b>${text(reason, 300)}</b>.</p><p>${held(open)} One probe goes out at a time${probe}; when one is answered, what waits goes out in order, few at first.</p>`;
}

function paused(
  { pausedAt, reason, failingSince }: EndpointJson,
  open: number,
  { times, isPausedByConfig }: Shown,
): Html {
  const since = pausedAt === null ? none : html` since ${times.at(pausedAt, { relative: true })}`;
  const end = isPausedByConfig
    ? html`Take <span class="id">"paused"</span> out of the config and reload: only that ends it.`
    : "It is sent to again when it is resumed.";
  const fails =
    failingSince === null ? none : html` It failed before that, since ${times.at(failingSince, { relative: true })}.`;
  return html`<p>It is paused${since}${reason !== null && html`: <b>${text(reason, 1_000)}</b>`}.${fails}</p><p>${held(open)} ${end}</p>`;
}

/** `1 video is held behind a refused event: evt_… (HTTP 422)`, with a link to the event. */
export const heldWords = (held: Held): Html =>
  html`${heldBriefly(held)}: <a class="id" href="${pageOf.event(held.eventId)}">${held.eventId}</a> (${text(held.error, 120)})`;

/** What it does not take, while it takes all else. */
function lackBox(id: string, dead: number, { can, held }: Shown): Html {
  const filter = { endpoint: id, state: "dead" };
  const many = dead === 1 ? "1 delivery is" : `${number(dead)} deliveries are`;
  const behind =
    held &&
    html`<p>${heldWords(held)}. ${held.deliveries === 1 ? "1 delivery stands" : `${number(held.deliveries)} deliveries stand`} behind: they go when it is taken, is given up, or has failed for as long as it may hold others up.</p>`;
  const refused =
    dead > 0 &&
    html`<p>${held !== null && `${many} dead: `}${held === null ? "It" : "it"} refused them, or failed too often: nothing sends them again until you do.</p>`;
  return whyCard(
    dead > 0 ? "bad" : "warn",
    held === null ? `${many} dead` : `${heldMany(held)} up`,
    [behind, refused],
    [
      held !== null && linkButton(pageOf.event(held.eventId), "See why", "primary"),
      dead > 0 && linkButton(withQuery("/deliveries", filter), held === null ? "See why" : "See the dead"),
      dead > 0 && can === "operate" && linkButton(confirmOf("retry", filter), `Retry ${number(dead)}…`),
    ],
  );
}
