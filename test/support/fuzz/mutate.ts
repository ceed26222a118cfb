import type { Random } from "../../../src/ports.ts";
import { pick } from "../../../src/simulator/events.ts";

/** What a parser might stumble over. */
const TOKENS = [
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "null",
  "true",
  "\\u0000",
  "\\ud800",
  "1e999",
  "-",
  ".",
  "//",
  "\u0000",
  "\ufeff",
  "\r\n",
  "\t",
  " ",
  '"type":',
  '"wochitVideoId":"x",',
  '"wochitVideoId":null,',
  '"__proto__":{}',
  "%2e%2e/",
  "\u202e",
  "💥",
].map((token) => Buffer.from(token));

/** Changes one to eight things in some bytes: bits, pieces left out, doubled, swapped, tokens put in, the end cut off. */
export function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  let out: Buffer = Buffer.from(bytes);
  const at = () => Math.floor(random.float() * (out.length + 1));
  for (let left = 1 + Math.floor(random.float() ** 2 * 8); left > 0; left--) {
    const from = at();
    const until = Math.min(out.length, from + 1 + Math.floor(random.float() ** 2 * 24));
    switch (Math.floor(random.float() * 7)) {
      case 0:
        if (from < out.length) out[from] = out[from]! ^ (1 << Math.floor(random.float() * 8));
        break;
      case 1:
        if (from < out.length) out[from] = Math.floor(random.float() * 256);
        break;
      case 2:
        out = Buffer.concat([out.subarray(0, from), out.subarray(until)]);
        break;
      case 3:
        out = Buffer.concat([out.subarray(0, until), out.subarray(from)]);
        break;
      case 4:
        out = Buffer.concat([out.subarray(0, from), pick(random, TOKENS), out.subarray(from)]);
        break;
      case 5: {
        const to = at();
        out = Buffer.concat([out.subarray(0, to), out.subarray(from, until), out.subarray(to)]);
        break;
      }
      default:
        if (random.float() < 0.3) out = out.subarray(0, from);
    }
  }
  return new Uint8Array(out);
}
