/**
 * Characters that control a terminal, reorder text, or are invisible: control characters (C0, C1, DEL), format characters
 * (bidi overrides among them, but not the joiners that scripts and emoji need), line and paragraph separators, halves of
 * surrogate pairs.
 */
const HARMFUL = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Text from the network, safe for a terminal: harmful characters are shown as escapes. */
export function harmless(text: string): string {
  return text.replace(HARMFUL, (character) => SHORT[character] ?? `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** The same value as JSON on one line, with harmful characters escaped. */
export function harmlessJson(value: unknown): string {
  return JSON.stringify(value).replace(HARMFUL, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}
