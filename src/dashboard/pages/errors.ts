import { type ErrorCode, errorLine, errorTable, RelayError } from "../../errors.ts";
import type { View, Visit } from "../page.ts";
import { linkButton } from "../parts/forms.ts";
import { type Html, html, type Piece } from "../parts/html.ts";
import { empty } from "../parts/tables.ts";
import { id, text } from "../parts/text.ts";

// Pages that say why there is none: what happened, and what to do.

/** A page that says one thing. */
const page = (title: string, status: View["status"] & number, heading: Piece, content: Piece): View => ({
  ...{ title, status, live: false },
  content: empty(heading, content),
});

export const unknownView = (path: string): View =>
  page(
    "No such page",
    404,
    "There is no such page",
    html`<p>Nothing is at ${id(path)}. The search above finds any id, context or title.</p><p class="actions">${linkButton("/", "Overview")}</p>`,
  );

/** `back`: the page of the form that could not be done; `troubles`: of the relay, in a few words each. */
export function errorView(error: unknown, visit: Visit, troubles: string[], back?: string): View {
  const code: ErrorCode = error instanceof RelayError ? error.code : "internal";
  const words = errorLine(error);
  const leave = html`<p class="actions">${back !== undefined && linkButton(back, "Back")}${linkButton("/", "Overview")}</p>`;
  switch (code) {
    case "store_unavailable":
      return unavailable(words, troubles, visit);
    case "not_found":
      return page("Not found", 404, text(sentence(words), 500), html`<p>${lackOf(visit)}</p>${leave}`);
    case "body_expired":
    case "cursor_expired":
      return page("Gone", 410, "It is no longer kept", html`<p>${text(sentence(words), 500)}</p>${leave}`);
    case "conflict":
    case "task_running":
    case "count_changed":
      return page("Not done", 409, "It was not done", html`<p>${text(sentence(words), 500)}</p>${leave}`);
    case "forbidden":
      return page("Not allowed", 403, "It was not done", html`<p>${text(sentence(words), 500)}</p>${leave}`);
    case "internal":
      return page(
        "Not shown",
        500,
        "The relay could not answer",
        html`<p>Its log says why: it is a fault of the relay's own. Nothing that was received is lost by it.</p>${leave}`,
      );
    default: {
      const status = errorTable[code].status === 503 ? 503 : 400;
      return page("Not done", status, "It could not be done", html`<p>${text(sentence(words), 500)}</p>${leave}`);
    }
  }
}

/** Why there may be none: videos have the provider's ids, endpoints those of the config. */
function lackOf({ request }: Visit): Piece {
  switch (new URL(request.url).pathname.split("/", 2)[1]) {
    case "videos":
      return "A video is known once an event of it has come. The search above finds it by its title and its context, too.";
    case "endpoints":
      return "An endpoint is known while the config names it, and while there are deliveries to it.";
    default:
      return html`Ids are opaque, like ${id("evt_06ff3nqk0003nhckv")}. What was there stays, with its row, when its body has expired: this one never was, or is of another relay.`;
  }
}

/** Made without the database. */
function unavailable(words: string, troubles: string[], visit: Visit): View {
  const all = troubles.length === 0 ? [words] : troubles;
  const list: Html = html`<ul class="plain">${all.map((one) => html`<li>${text(sentence(one), 500)}</li>`)}</ul>`;
  const same = new URL(visit.request.url);
  const again = visit.request.method === "GET" ? linkButton(same.pathname + same.search, "Look again", "primary") : "";
  return page(
    "The database cannot be used now",
    503,
    "The database cannot be used now",
    html`<p>While that is so, Wochit is answered 503 and sends again; what was taken before is safe on disk.</p>${list}<p>${linkButton("/settings", "Settings and doctor")} work without it, and say more.</p><p class="actions">${again}</p>`,
  );
}

/** "no event evt_…" as a sentence. */
const sentence = (line: string): string => `${line.charAt(0).toUpperCase()}${line.slice(1)}`;
