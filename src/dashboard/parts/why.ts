import { type Html, html, none, type Piece } from "./html.ts";

/** The box of a page of one thing: how it stands, why, and what helps (`actions`, without those that are nothing). A live part. */
export function whyCard(tone: string, title: Piece, said: Piece, actions: Piece[]): Html {
  const some = actions.filter((one) => one !== false && one !== none);
  const buttons = some.length > 0 && html`<div class="actions">${some}</div>`;
  return html`<section id="why" data-part class="why ${tone}" aria-labelledby="why-title"><h2 id="why-title">${title}</h2>${said}${buttons}</section>`;
}
