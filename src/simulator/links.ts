import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock, Random } from "../ports.ts";
import { type LinkScheme, SCHEMES, type SchemeShape } from "./link-schemes.ts";

/** How a link is made; what is not told is as the provider was opened with. */
export type LinkWish = {
  /** How long it is good for, in seconds. */
  lifetime?: number;
  /** Whose presigned links it looks like. */
  scheme?: LinkScheme;
};

/** What a link is worth: good, past its time, or never ours. */
export type LinkCheck = { is: "good" } | { is: "expired"; expires: Date } | { is: "forged" };

export type LinkSigner = {
  /** The path's link, from now on. */
  sign(path: string, wish?: LinkWish): string;
  check(url: URL): LinkCheck;
};

/**
 * Links that look and die as the presigned links of clouds and networks do, with a signature over path and query. The key
 * behind them is one of our own.
 */
export function signLinks(
  origin: () => string,
  usual: Required<LinkWish>,
  { clock, random }: { clock: Clock; random: Random },
): LinkSigner {
  const key = random.bytes(32);
  /** Links that do not tell their end: it is kept here, by path. */
  const plain = new Map<string, number>();
  const signatureOf = (path: string, query: URLSearchParams) =>
    createHmac("sha256", key).update(`${path}?${query}`).digest();

  function shapeOf(query: URLSearchParams): SchemeShape | null {
    return Object.values(SCHEMES).find(({ signature }) => query.has(signature)) ?? null;
  }

  function judge(expires: number): LinkCheck {
    return clock.now() > expires ? { is: "expired", expires: new Date(expires) } : { is: "good" };
  }

  return {
    sign(path, wish = {}) {
      const { lifetime, scheme } = { ...usual, ...wish };
      if (scheme === "plain") {
        plain.set(path, clock.now() + lifetime * 1000);
        return `${origin()}${path}`;
      }
      const shape = SCHEMES[scheme];
      const query = new URLSearchParams(shape.parameters({ now: clock.now(), lifetime, random }));
      query.set(shape.signature, shape.spell(signatureOf(path, query)));
      return `${origin()}${path}?${query}`;
    },
    check(url) {
      const query = new URLSearchParams(url.search);
      const shape = shapeOf(query);
      if (shape === null) {
        const end = plain.get(url.pathname);
        return end === undefined ? { is: "forged" } : judge(end);
      }
      const given = Buffer.from(query.get(shape.signature)!);
      query.delete(shape.signature);
      const right = Buffer.from(shape.spell(signatureOf(url.pathname, query)));
      if (given.length !== right.length || !timingSafeEqual(given, right)) return { is: "forged" };
      return judge(shape.expiry(query));
    },
  };
}
