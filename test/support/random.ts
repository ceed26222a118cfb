import type { Random } from "../../src/ports.ts";

/**
 * A reproducible Random: equal seeds give equal values, on Node and Deno alike. Not for secrets.
 * The generator is xorshift128 (G. Marsaglia, "Xorshift RNGs", 2003, section 4), seeded by splitting the seed's hash.
 */
export function seededRandom(seed: number | string): Random {
  let x = hash32(`1:${seed}`);
  let y = hash32(`2:${seed}`);
  let z = hash32(`3:${seed}`);
  let w = hash32(`4:${seed}`);
  if ((x | y | z | w) === 0) w = 1;
  const next = () => {
    const t = x ^ (x << 11);
    x = y;
    y = z;
    z = w;
    w = (w ^ (w >>> 19) ^ (t ^ (t >>> 8))) >>> 0;
    return w;
  };
  return {
    float: () => next() / 2 ** 32,
    bytes(length) {
      const words = new Uint32Array(Math.ceil(length / 4));
      for (let at = 0; at < words.length; at++) words[at] = next();
      return new Uint8Array(words.buffer, 0, length);
    },
  };
}

/** FNV-1a with a final mix (murmur3's), so that seeds that differ in one digit give unlike values. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
