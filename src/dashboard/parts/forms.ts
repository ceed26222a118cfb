import { flag, type Html, html, none, type Piece } from "./html.ts";

// Forms. What reads is a GET, and its address can be kept as a bookmark; what changes is a POST.

/** The choices of a select: the value, and what people read; "" stands for any. */
export type Choice = readonly [value: string, words: string];

export const choicesOf = (words: readonly string[], any = "any"): Choice[] => [
  ["", any],
  ...words.map((word) => [word, word] as const),
];

/** The times that lists offer. */
export const SINCE: Choice[] = [
  ["", "any time"],
  ["1h", "last hour"],
  ["24h", "last 24 h"],
  ["7d", "last 7 days"],
  ["30d", "last 30 days"],
];

/** A value that is none of the choices (of a link from elsewhere) is one of them, too. */
export function select(label: string, name: string, choices: readonly Choice[], chosen = ""): Html {
  const all = choices.some(([value]) => value === chosen) ? choices : [...choices, [chosen, chosen] as const];
  const options = all.map(
    ([value, words]) =>
      html`<option${value !== words && html` value="${value}"`}${flag("selected", value === chosen)}>${words}</option>`,
  );
  return html`<label class="half">${label}<select name="${name}">${options}</select></label>`;
}

/** `isWide`: it takes what room there is. */
export function field(label: string, name: string, value = "", { isWide = false, hint = "" } = {}): Html {
  const placeholder = hint === "" ? none : html` placeholder="${hint}"`;
  return html`<label class="${isWide ? "wide-input" : "half"}">${label}<input name="${name}" type="search" value="${value}"${placeholder} spellcheck="false" autocomplete="off"></label>`;
}

/** The filters of a list, above it. `path`: of the list's page. */
export const filters = (path: string, fields: Piece): Html =>
  html`<form class="filters" action="${path}" method="get" role="search" aria-label="Filter">${fields}<button>Filter</button></form>`;

export const hidden = (fields: Record<string, string | number>): Html[] =>
  Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`);

/**
 * A button that changes something: a form of its own. Not there for who may only read. `about`: what it is about, for who does
 * not see where it stands.
 */
export function act(
  visit: { can: "read" | "operate" },
  path: string,
  label: Piece,
  options: { kind?: "" | "primary" | "danger" | "tiny"; fields?: Record<string, string | number>; about?: string } = {},
): Html {
  if (visit.can === "read") return none;
  const { kind = "", fields = {}, about } = options;
  const more = about === undefined ? none : html`<span class="sr"> ${about}</span>`;
  return html`<form method="post" action="${path}">${hidden(fields)}<button class="${kind}">${label}${more}</button></form>`;
}

/** A link that looks like a button: to a page that asks first. */
export const linkButton = (href: string, label: Piece, kind: "" | "primary" | "danger" | "tiny" = ""): Html =>
  html`<a class="button${kind && ` ${kind}`}" href="${href}">${label}</a>`;
