import type { Path } from "./problems.ts";

/**
 * Where a text stops being JSON (offset from 0), and what is wrong there. The words never quote the text: it may hold a
 * secret.
 */
export type Fault = { at: number; what: string };

/** An open object with the keys so far, or an open list. `key` is the current member or position. */
type Open = { key: string; keys: Set<string> } | { key: number; keys: null };

/** What may come next. */
type Expected = "value" | "first value" | "key" | "first key" | "colon" | "comma" | "end";

const WHAT: Record<Expected, string> = {
  value: "expected a value (is there a comma too many?)",
  "first value": "expected a value or ]",
  key: 'expected a "key" (is there a comma too many?)',
  "first key": 'expected a "key" or }',
  colon: "expected a colon",
  comma: "expected a comma, or the end of the object or list",
  end: "expected the end of the file",
};

/** White space and one token of RFC 8259. A word or number ends where no other letter, digit, sign or point follows. */
const TOKEN =
  /[\t\n\r ]*(?:(?<mark>[{}[\],:])|(?<string>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|(?<scalar>(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])))/y;

/**
 * Checks a text against RFC 8259: gives the first fault, or null where JSON.parse accepts it, and the path of every key
 * that occurs twice in its object. Not recursive: depth costs no stack.
 */
export function scanJson(text: string): { fault: Fault | null; repeated: Path[] } {
  const open: Open[] = [];
  const repeated: Path[] = [];
  let expected: Expected = "value";

  const afterValue = (): Expected => (open.length === 0 ? "end" : "comma");

  /** What may follow this token; null: the token is not allowed here. */
  function take({ mark, string, scalar }: Record<string, string | undefined>): Expected | null {
    const inside = open.at(-1);
    if (expected === "value" || expected === "first value") {
      if (string !== undefined || scalar !== undefined) return afterValue();
      if (mark === "{") open.push({ key: "", keys: new Set() });
      else if (mark === "[") open.push({ key: 0, keys: null });
      else return mark === "]" && expected === "first value" ? close() : null;
      return mark === "{" ? "first key" : "first value";
    }
    if (expected === "key" || expected === "first key") {
      if (string !== undefined) return enter(JSON.parse(string));
      return mark === "}" && expected === "first key" ? close() : null;
    }
    if (expected === "colon") return mark === ":" ? "value" : null;
    if (expected === "end" || inside === undefined) return null;
    if (mark === (inside.keys ? "}" : "]")) return close();
    if (mark !== ",") return null;
    if (inside.keys) return "key";
    inside.key++;
    return "value";
  }

  function close(): Expected {
    open.pop();
    return afterValue();
  }

  function enter(key: string): Expected {
    const object = open.at(-1) as Extract<Open, { keys: Set<string> }>;
    object.key = key;
    if (object.keys.has(key)) repeated.push(open.map((one) => one.key));
    object.keys.add(key);
    return "colon";
  }

  for (let at = 0; ; ) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    const next = token ? take(token.groups!) : null;
    if (token === null || next === null) {
      while (/[\t\n\r ]/.test(text.charAt(at))) at++;
      if (at === text.length && expected === "end") return { fault: null, repeated };
      return { fault: { at, what: token || at === text.length ? WHAT[expected] : strange(text.charAt(at)) }, repeated };
    }
    expected = next;
    at = TOKEN.lastIndex;
  }
}

/** What is wrong with a token that begins with this character. */
function strange(first: string): string {
  if (first === '"')
    return "a string without its end, or with a control character or an escape that JSON does not know";
  if (first === "/" || first === "#") return "comments are not JSON";
  return "a word or number that JSON does not know";
}
