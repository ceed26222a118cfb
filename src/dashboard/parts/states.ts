import { type Html, html, none, raw } from "./html.ts";

// States: the words of the CONTRACT, each with one shape and one tone. Never the colour alone.

const SHAPES: Record<string, string> = {
  check: '<circle cx="8" cy="8" r="6.25"/><path d="m5.25 8.25 2 2 3.5-4.25"/>',
  clock: '<circle cx="8" cy="8" r="6.25"/><path d="M8 4.75V8l2.25 1.5"/>',
  ring: '<circle cx="8" cy="8" r="6.25"/>',
  half: '<circle cx="8" cy="8" r="6.25"/><path class="fill" d="M8 2.5a5.5 5.5 0 0 1 0 11z"/>',
  cross: '<path d="M5.2 1.75h5.6l3.45 3.45v5.6l-3.45 3.45H5.2L1.75 10.8V5.2zM5.75 5.75l4.5 4.5m0-4.5-4.5 4.5"/>',
  alert: '<path d="M8 1.75 14.75 13.75H1.25zM8 6.25v3.5M8 11.75v.1"/>',
  glass: '<path d="M4 1.75h8M4 14.25h8M5 2c0 4 6 8 6 12M11 2c0 4-6 8-6 12"/>',
  dash: '<circle cx="8" cy="8" r="6.25"/><path d="M5.25 8h5.5"/>',
  pause: '<circle cx="8" cy="8" r="6.25"/><path d="M6.5 5.75v4.5m3-4.5v4.5"/>',
  inbox: '<path d="M1.75 9.25 4 2.75h8l2.25 6.5v4H1.75zM1.75 9.25h3.5l1 2h3.5l1-2h3.5"/>',
  gate: '<path d="M2.75 14.25V1.75h10.5v12.5M2.75 5.5h10.5M6.25 5.5v8.75M9.75 5.5v8.75"/>',
  down: '<path d="M8 1.75v8.5m-3.5-3.5 3.5 3.5 3.5-3.5M2.25 14.25h11.5"/>',
  up: '<path d="M8 10.75v-8.5m-3.5 3.5L8 2.25l3.5 3.5M2.25 14.25h11.5"/>',
  send: '<path d="M14.25 1.75 1.75 6.5l5 2.75 2.75 5z"/>',
  live: '<circle cx="8" cy="8" r="6.25"/><circle class="fill" cx="8" cy="8" r="3"/>',
  menu: '<path d="M2 4h12M2 8h12M2 12h12"/>',
};

export type Shape = keyof typeof SHAPES & string;
export type Tone = "" | "good" | "busy" | "warn" | "bad";

const STATES: Record<string, readonly [tone: Tone, shape: Shape]> = {
  settled: ["good", "check"],
  delivered: ["good", "check"],
  mirrored: ["good", "check"],
  ready: ["good", "check"],
  ok: ["good", "check"],
  active: ["good", "check"],
  done: ["good", "check"],
  waiting: ["busy", "clock"],
  pending: ["busy", "ring"],
  queued: ["busy", "ring"],
  running: ["busy", "half"],
  draft: ["", "ring"],
  retrying: ["warn", "clock"],
  warning: ["warn", "alert"],
  suspect: ["warn", "alert"],
  paused: ["warn", "pause"],
  "breaker open": ["bad", "pause"],
  dead: ["bad", "cross"],
  failed: ["bad", "cross"],
  refused: ["bad", "cross"],
  expired: ["bad", "glass"],
  canceled: ["", "dash"],
  skipped: ["", "dash"],
  superseded: ["", "dash"],
  deleted: ["", "dash"],
  removed: ["", "dash"],
  unknown: ["", "dash"],
};

export const toneOf = (word: string): Tone => STATES[word]?.[0] ?? "";
export const shapeOf = (word: string): Shape => STATES[word]?.[1] ?? "dash";

/** `label`: what it says to who does not see it; without one it says nothing. `tone`: its colour. */
export function icon(shape: Shape, label?: string, tone: Tone = ""): Html {
  const said = label === undefined ? html`aria-hidden="true"` : html`role="img" aria-label="${label}"`;
  return html`<svg class="icon${tone && ` ${tone}`}" ${said}><use href="#${shape}"/></svg>`;
}

/** A state as a word with its shape. `before`: what it is about, as in "cms delivered". */
export function state(word: string, before?: string): Html {
  const about = before === undefined ? none : html`${before} `;
  return html`<span class="state ${toneOf(word)}">${icon(shapeOf(word))}<span>${about}${word}</span></span>`;
}

/** The name of what is in a state, with the state's shape; the word is said to who does not see it. */
export const chip = (name: string, word: string): Html =>
  html`<span class="state ${toneOf(word)}">${icon(shapeOf(word), word)}${name}</span>`;

/** The same without a ground. */
export const plainChip = (name: string, word: string): Html =>
  html`<span class="state plain ${toneOf(word)}">${icon(shapeOf(word), word)}${name}</span>`;

/** "retrying": a delivery that is pending after attempts. A word for people; the store knows pending only. */
export const shownState = ({ state, attempts }: { state: string; attempts: number }): string =>
  state === "pending" && attempts > 0 ? "retrying" : state;

/** Only the shapes that this markup uses. */
export function sprite(markup: string): Html {
  const used = Object.entries(SHAPES).filter(([id]) => markup.includes(`#${id}"`));
  const symbols = used.map(([id, path]) => raw(`<symbol id="${id}" viewBox="0 0 16 16">${path}</symbol>`));
  return html`<svg class="sprite" width="0" height="0" aria-hidden="true" focusable="false">${symbols}</svg>`;
}
