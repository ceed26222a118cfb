import type { CappedCount } from "../../store/filters.ts";
import { linkButton } from "./forms.ts";
import { type Html, html, none, type Piece } from "./html.ts";
import { type Query, withQuery } from "./links.ts";
import { number } from "./text.ts";

/** A table that may be wider than the screen: it scrolls, also by keys. */
export const wideTable = (label: string, table: Html): Html =>
  html`<div class="card table" role="region" tabindex="0" aria-label="${label}">${table}</div>`;

/** A head of a column: its class, and its words. */
export type Head = readonly [kind: string, words: Piece];

/** `caption`: for who does not see it. `isFixed`: columns have the widths of their classes, and what is longer is cut. */
export function table(
  { caption, heads, isFixed = true }: { caption: string; heads: readonly Head[]; isFixed?: boolean },
  rows: Piece,
): Html {
  const columns = heads.map(([kind, words]) => html`<th scope="col" class="${kind}">${words}</th>`);
  return html`<table${isFixed && html` class="fixed"`}><caption class="sr">${caption}</caption><thead><tr>${columns}</tr></thead><tbody>${rows}</tbody></table>`;
}

/** A row that is renewed by itself while the page is open, under the reader's eye: `id` is unique on the page. */
export const row = (id: string, cells: Piece): Html =>
  html`<tr id="row-${encodeURIComponent(id)}" data-part>${cells}</tr>`;

/** 1,204, or 10,000+ of what was not counted to its end. */
export const capped = ({ count, isMore }: CappedCount): string => `${number(count)}${isMore ? "+" : ""}`;

type Paged = { shown: number; next: string | null; total?: CappedCount | null };

/**
 * What stands below a list: how to go on. `next`: the cursor of the next page; null: there is none. `total`: how many rows the
 * list has, where that is known.
 */
export function pager(path: string, given: Query, { shown, next, total = null }: Paged): Html {
  const { before, ...filters } = given;
  const newest = before === undefined ? none : linkButton(withQuery(path, filters), "Newest", "tiny");
  const older = next === null ? none : linkButton(withQuery(path, { ...filters, before: next }), "Older", "tiny");
  const some = total === null ? `${shown}, and there are more` : `${shown} of ${capped(total)}`;
  const words = next === null && before === undefined ? `all ${shown}` : some;
  const said = next === null && before !== undefined ? `${shown}, the last of them` : words;
  return html`<div class="more"><span>${shown === 0 ? "nothing more" : said}</span><span class="actions">${newest}${older}</span></div>`;
}

/** What a live page offers when rows came above the first one; the script shows it. */
export const newer = (path: string, given: Query): Html => {
  const { before: _, ...filters } = given;
  return html`<div class="fresh" data-newer hidden><a class="button tiny" href="${withQuery(path, filters)}">newer: show them</a></div>`;
};

/** Instead of a list that is empty: what to do next. */
export const empty = (title: Piece, content: Piece): Html =>
  html`<div class="card empty"><h2>${title}</h2>${content}</div>`;

/** Tabs of a list by state: the address, the words, the number beside them; `current`: which one is shown. */
export function tabs(
  label: string,
  all: readonly { href: string; words: string; count?: Piece; isCurrent: boolean }[],
): Html {
  const links = all.map(
    ({ href, words, count, isCurrent }) =>
      html`<a href="${href}"${isCurrent && html` aria-current="page"`}>${words}${count !== undefined && html` <span class="n soft">${count}</span>`}</a>`,
  );
  return html`<nav class="tabs" aria-label="${label}">${links}</nav>`;
}

/** Names and values, one below the other. */
export const pairs = (all: readonly (readonly [name: Piece, value: Piece])[]): Html =>
  html`<dl class="pairs">${all.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;

/** Numbers that tell how things are; `small`: words below. */
export const facts = (all: readonly { name: string; value: Piece; small?: Piece }[]): Html =>
  html`<dl class="facts card">${all.map(
    ({ name, value, small }) =>
      html`<div><dt>${name}</dt><dd>${value}${small !== undefined && html`<small>${small}</small>`}</dd></div>`,
  )}</dl>`;
