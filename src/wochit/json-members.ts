/**
 * Reads the top-level members of a JSON object as they are written, so that unchanged ones keep their characters:
 * `JSON.parse` followed by `JSON.stringify` loses digits, escapes, order and duplicates.
 *
 * All functions expect text that `JSON.parse` has accepted (RFC 8259) and that was decoded from valid UTF-8. So the ends of
 * strings and values are found without further checks, in one pass and without recursion.
 */

/** One member as it stands in the text: `name` with its quotes and escapes, `value` without the white space around it. */
export type Member = { name: string; value: string };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * The members of the object by their decoded names, in the order of the text. Of duplicate names only the last one is in the
 * result, in its own place. Text that is no object has no members. Linear in the length of the text; never throws.
 */
export function readMembers(text: string): Map<string, Member> {
  const members = new Map<string, Member>();
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== OPEN_BRACE) return members;
  at = skipSpace(text, at + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const nameEnd = endOfString(text, at);
    const name = text.slice(at, nameEnd);
    const valueStart = skipSpace(text, skipSpace(text, nameEnd) + 1); // past the colon
    const valueEnd = endOfValue(text, valueStart);
    // One by one: V8 can read an escaped name as that of an earlier object (https://github.com/nodejs/node/issues/63785).
    const decoded = name.includes("\\") ? (JSON.parse(name) as string) : name.slice(1, -1);
    members.delete(decoded); // A set of an existing name would keep its old place.
    members.set(decoded, { name, value: text.slice(valueStart, valueEnd) });
    at = skipSpace(text, valueEnd);
    if (text.charCodeAt(at) !== COMMA) break;
    at = skipSpace(text, at + 1);
  }
  return members;
}

/**
 * One text for all spellings of a value that differ only in white space between tokens or in the escapes of strings. Numbers
 * stay as written: 1 and 1.0 are two texts, and no digit is lost. For comparison only.
 */
export function compactValue(raw: string): string {
  const first = raw.charCodeAt(0);
  if (first === QUOTE) return compactString(raw);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return raw;
  let compact = "";
  let copied = 0;
  for (let at = 0; at < raw.length; ) {
    const code = raw.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(raw, at);
      const string = raw.slice(at, end);
      const same = compactString(string);
      if (same !== string) {
        compact += raw.slice(copied, at) + same;
        copied = end;
      }
      at = end;
    } else if (isSpace(code)) {
      compact += raw.slice(copied, at);
      at = skipSpace(raw, at);
      copied = at;
    } else at++;
  }
  return copied === 0 ? raw : compact + raw.slice(copied);
}

/** A string without a backslash is already as `JSON.stringify` writes it. */
function compactString(raw: string): string {
  return raw.includes("\\") ? JSON.stringify(JSON.parse(raw)) : raw;
}

/** The only four characters that may stand between tokens (RFC 8259 §2). */
function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** The position after the closing quote; `open` is the opening one. */
function endOfString(text: string, open: number): number {
  let close = text.indexOf('"', open + 1);
  while (close !== -1 && isEscaped(text, close)) close = text.indexOf('"', close + 1);
  return close === -1 ? text.length : close + 1;
}

/** Whether an odd number of backslashes precedes it. Each run is read once, so a long string stays linear. */
function isEscaped(text: string, quote: number): boolean {
  let at = quote;
  while (text.charCodeAt(at - 1) === BACKSLASH) at--;
  return (quote - at) % 2 === 1;
}

function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return endOfString(text, start);
  let at = start;
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    while (at < text.length && !endsScalar(text.charCodeAt(at))) at++;
    return at;
  }
  for (let depth = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    at++;
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) break;
  }
  return at;
}

function endsScalar(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACE || isSpace(code);
}
