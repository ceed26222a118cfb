import { linkButton } from "../forms.ts";
import { type Html, html } from "../html.ts";
import { withQuery } from "../links.ts";
import { empty } from "../tables.ts";

/** Instead of a list of deliveries that is empty. `given`: what it is narrowed down by. */
export function noDeliveries(state: string, { state: _, before: __, ...others }: Record<string, string>): Html {
  if (Object.keys(others).length > 0) {
    const all = linkButton(
      withQuery("/deliveries", { state }),
      state === "all" ? "All deliveries" : `All that are ${state}`,
    );
    return empty(
      "No delivery is like that",
      html`<p>Nothing ${state === "all" ? "" : `${state} `}fits the filters.</p><p class="actions">${all}</p>`,
    );
  }
  const [title, words] = EMPTY[state] ?? ["None is like that", "Another tab may have them."];
  return empty(
    title,
    html`<p>${words}</p><p class="actions">${linkButton(withQuery("/deliveries", { state: "all" }), "All deliveries")}</p>`,
  );
}

const EMPTY: Record<string, readonly [title: string, words: string]> = {
  dead: ["Nothing is dead", "Each delivery has arrived, or is still tried: nothing here needs you."],
  waiting: ["Nothing waits", "No delivery waits for its media."],
  pending: ["Nothing is pending", "All that could be sent was sent."],
  running: [
    "Nothing runs now",
    "An attempt that is under way is shown here while it lasts, which is often less than a second.",
  ],
  all: [
    "Nothing was sent yet",
    "A delivery is made for each endpoint that asks for an event. Look at Events for what came, and at Endpoints for what they ask for.",
  ],
};
