import type { Visit } from "../../page.ts";
import { choicesOf, hidden, select } from "../../parts/forms.ts";
import { flag, type Html, html } from "../../parts/html.ts";
import type { AskedWish } from "./wish.ts";

/** How events are sent again; it changes the count, so it is asked for first. */
export function replayOptions({ place }: Visit, { given, fields }: AskedWish): Html {
  const { endpoint, ...others } = given;
  const endpoints = choicesOf(
    place.config.endpoints.map(({ id }) => id),
    "those that want them",
  );
  const box = (name: string, words: string) =>
    html`<label class="check"><input type="checkbox" name="${name}" value="true"${flag("checked", fields[name] === "true")}> ${words}</label>`;
  return html`<form class="filters" method="get" action="/confirm" aria-label="How they are sent">${hidden({ do: "replay", ...others })}${select("Sent to", "endpoint", endpoints, endpoint)}${box("onlyDead", "only where the newest delivery is dead")}${box("newId", "under a new webhook-id")}<button>Count again</button></form>`;
}
