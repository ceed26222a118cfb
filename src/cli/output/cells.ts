import stringWidth from "string-width";

// Texts in the cells of a terminal.

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The beginning of a text that is `width` cells wide at most, with "…" where something is left out. */
export function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let short = "";
  let used = 1;
  for (const { segment } of graphemes.segment(text)) {
    used += stringWidth(segment);
    if (used > width) break;
    short += segment;
  }
  return `${short}…`;
}

export function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - stringWidth(text)));
}

const ADDRESS = /^https?:\/\/([^/?#]+)/;

/** The cells that a URL cannot do without: its host, and "…"; 0 for any other text. */
export function leastOfUrl(text: string): number {
  const host = ADDRESS.exec(text)?.[1];
  return host === undefined ? 0 : stringWidth(host) + 1;
}

/** A URL cut to a width: it loses its scheme first, then its end, and keeps its host. Any other text loses its end. */
export function cutUrl(text: string, width: number): string {
  return stringWidth(text) <= width ? text : cut(ADDRESS.test(text) ? text.replace(/^https?:\/\//, "") : text, width);
}
