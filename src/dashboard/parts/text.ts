import { type Html, html, type Piece } from "./html.ts";

// Text from elsewhere: it is shown as what it is, so that nothing in it hides or turns the rest around.

/** Control characters, those without a width, and marks that turn the direction of writing. */
const ODD =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

/** Characters of a text, unless asked otherwise. */
const MOST = 160;

/** A text of any direction, which turns nothing around it. */
export function text(value: string | null, most = MOST): Html {
  return value === null ? html`<span class="soft">none</span>` : html`<bdi>${plain(value, most)}</bdi>`;
}

/** For an element that has `dir="auto"` itself, so that a text that is cut loses its end, whichever way it runs. */
export const plain = (value: string, most = MOST): Html => html`${markOdd(cut(value, most))}`;

function cut(value: string, most: number): string {
  if (value.length <= most) return value;
  return `${[...value.slice(0, 2 * most)].slice(0, most).join("")}…`;
}

/** Without any markup, for the name of a page. */
export const bare = (value: string, most = MOST): string => cut(value.replace(ODD, "\ufffd"), most);

function markOdd(value: string, odd = ODD): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const { 0: character, index } of value.matchAll(odd)) {
    const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    found.push(value.slice(from, index), html`<span class="odd">U+${code}</span>`);
    from = index + character.length;
  }
  found.push(value.slice(from));
  return found;
}

/** Lines of any text; only line ends and tabs are left as they are. */
export const lines = (value: string): Html => html`${markLines(value)}`;

const LINES = /\r\n/g;
const ODD_IN_LINES = new RegExp(`(?![\\n\\t])${ODD.source}`, "gu");

const markLines = (value: string): Piece[] => markOdd(value.replace(LINES, "\n"), ODD_IN_LINES);

/** The beginning of a text. `most`: of the characters that are marked, each of which is an element. */
export function withFewOdd(value: string, most: number): string {
  let count = 0;
  for (const { index } of value.matchAll(ODD_IN_LINES)) if (++count > most) return value.slice(0, index);
  return value;
}

/** JSON to the character, with colours: by its tokens and not by its structure, so that what is no JSON is shown too. */
export function json(source: string): Html {
  const tokens = /("(?:\\.|[^"\\])*")(\s*:)?|(-?\d[\d.eE+-]*)|\b(true|false|null)\b|([{}[\],])/g;
  const out: Piece[] = [];
  let from = 0;
  for (const match of source.matchAll(tokens)) {
    const [whole, quoted, colon, number, literal] = match;
    out.push(markLines(source.slice(from, match.index)));
    if (quoted !== undefined) out.push(html`<span class="${colon ? "k" : "s"}">${markOdd(quoted)}</span>${colon}`);
    else out.push(html`<span class="${number ? "n" : literal ? "l" : "p"}">${whole}</span>`);
    from = match.index + whole.length;
  }
  out.push(markLines(source.slice(from)));
  return html`${out}`;
}

/** An id, in the type of ids. */
export const id = (value: string): Html => html`<span class="id">${plain(value, 300)}</span>`;

/** A button that copies a value; `what` names it. Only with the script. */
export const copy = (value: string, what: string): Html =>
  html`<button type="button" class="quiet tiny" data-copy="${value}" aria-label="Copy ${what}" hidden>Copy</button>`;

/** Copies what an element holds: a body is not written twice. */
export const copyOf = (element: string, what: string): Html =>
  html`<button type="button" class="quiet tiny" data-copy-of="${element}" aria-label="Copy ${what}" hidden>Copy</button>`;

/** May break after a dot or a low line, and nowhere else. */
export function typeName(type: string | null, isLegacy = false): Html {
  if (type === null) return html`<span class="soft">no type</span>`;
  const parts = type.length > 120 ? [type] : type.split(/(?<=[._])/);
  const broken = parts.map((part, index) => html`${index > 0 && html`<wbr>`}${plain(part, 120)}`);
  return html`${broken}${isLegacy && html` <span class="soft">(legacy)</span>`}`;
}

/** 1,204 */
export const number = (value: number): string => value.toLocaleString("en");

/** A word of a command for a shell: in quotes of which nothing gets out. */
export const shellWord = (value: string): string =>
  /^[\w./:-]+$/.test(value) ? value : `'${bare(value, 300).replaceAll("'", `'\\''`)}'`;

/** A text of any direction in a cell, which is cut where the cell ends. */
export const clip = (value: string, kind = ""): Html =>
  html`<span class="clip${kind && ` ${kind}`}" dir="auto">${plain(value)}</span>`;
