import type { EndpointJson } from "../../../actions/endpoints.ts";
import { act, linkButton } from "../forms.ts";
import { type Html, html, none } from "../html.ts";
import { confirmOf, pageOf, withQuery } from "../links.ts";
import { number, text } from "../text.ts";
import type { Times } from "../times.ts";
import { whyCard } from "../why.ts";

type Shown = { times: Times; can: "read" | "operate"; isPausedByConfig: boolean };

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
      return dead === 0 ? none : deadBox(id, dead, shown);
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

function deadBox(id: string, dead: number, { can }: Shown): Html {
  const filter = { endpoint: id, state: "dead" };
  const many = dead === 1 ? "1 delivery is" : `${number(dead)} deliveries are`;
  return whyCard(
    "bad",
    `${many} dead`,
    html`<p>It refused them, or failed too often: nothing sends them again until you do.</p>`,
    [
      linkButton(withQuery("/deliveries", filter), "See why"),
      can === "operate" && linkButton(confirmOf("retry", filter), `Retry ${number(dead)}…`),
    ],
  );
}
