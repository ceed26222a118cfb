import type { Done, Form, View, Visit } from "../../page.ts";
import { hidden, linkButton } from "../../parts/forms.ts";
import { type Html, html, type Piece } from "../../parts/html.ts";
import { isOwnPath } from "../../parts/links.ts";

/** Something that is asked before it is done. What a person chose is in the form, or in the address when it is first asked. */
export type Question = {
  /** The page that asks. A RelayError: it cannot be asked like this. */
  ask(visit: Visit, given: Form): Promise<View>;
  /** Does it. A RelayError is said above the same question. */
  answer(visit: Visit, form: Form): Promise<Done>;
};

/** Where a question came from, which is where it leads back to. */
export const backOf = ({ fields: { to } }: Form, otherwise: string): string =>
  to !== undefined && isOwnPath(to) ? to : otherwise;

/**
 * The form of a question. `fields`: what is sent with it; `said`: what will happen, in a card; `more`: fields that one can fill
 * in; `back`: without doing it.
 */
export function questionForm(options: {
  fields: Record<string, string | number>;
  ids?: string[];
  said: Piece;
  more?: Piece;
  button: Piece;
  kind?: "primary" | "danger";
  back: string;
}): Html {
  const { fields, ids = [], said, more, button, kind = "primary", back } = options;
  const own = html`${hidden(fields)}${ids.map((id) => html`<input type="hidden" name="id" value="${id}">`)}`;
  return html`<form class="sure stack" method="post" action="/confirm">${own}<div class="card pad stack">${said}${more}</div><div class="actions"><button class="${kind}">${button}</button>${linkButton(back, "Do nothing")}</div></form>`;
}

/** Sentences of what will happen. */
export const consequences = (all: readonly Piece[]): Html =>
  html`<ul>${all.filter((one) => one !== false).map((one) => html`<li>${one}</li>`)}</ul>`;
