import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock, Random } from "../ports.ts";

/** The provider of presigned links that a link imitates; "plain" has no query and does not carry its expiry. */
export type LinkScheme = keyof typeof SCHEMES | "plain";

/** How a link is made; what is not given is as the provider was opened with. */
export type LinkOptions = {
  /** How long it is good for, in seconds. */
  lifetime?: number;
  scheme?: LinkScheme;
};

/** Whether a link is good; `forged`: the signature is not of this provider. */
export type LinkCheck = { is: "good" } | { is: "expired"; expires: Date } | { is: "forged" };

/** How one sort of presigned link is spelled. */
type Scheme = {
  /** The parameter that carries the signature. */
  signature: string;
  spell(signature: Buffer): string;
  /** All other parameters, in their order. `now` in milliseconds, `lifetime` in seconds. */
  parameters(given: { now: number; lifetime: number; random: Random }): Record<string, string>;
  /** When a link with these parameters dies, in milliseconds. */
  expiry(query: URLSearchParams): number;
};

/** AWS's "query string authentication" (Signature Version 4), and Google's "Signed URLs" (V4), which follow it. */
function versionFour(
  prefix: "X-Amz-" | "X-Goog-",
  algorithm: string,
  credential: (day: string) => string,
  extra: (random: Random) => Record<string, string> = () => ({}),
): Scheme {
  return {
    signature: `${prefix}Signature`,
    spell: (signature) => signature.toString("hex"),
    parameters({ now, lifetime, random }) {
      const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
      return {
        [`${prefix}Algorithm`]: algorithm,
        [`${prefix}Credential`]: credential(time.slice(0, 8)),
        [`${prefix}Date`]: time,
        [`${prefix}Expires`]: String(lifetime),
        ...extra(random),
        [`${prefix}SignedHeaders`]: "host",
      };
    },
    expiry(query) {
      const time = query.get(`${prefix}Date`) ?? "";
      const start = time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
      return Date.parse(start) + Number(query.get(`${prefix}Expires`)) * 1000;
    },
  };
}

const SCHEMES = {
  /** No two links are equal: each has a session token of its own. */
  aws: versionFour(
    "X-Amz-",
    "AWS4-HMAC-SHA256",
    (day) => `ASIASIMULATEDPROVIDER/${day}/us-east-1/s3/aws4_request`,
    (random) => ({ "X-Amz-Security-Token": Buffer.from(random.bytes(24)).toString("base64") }),
  ),
  google: versionFour(
    "X-Goog-",
    "GOOG4-RSA-SHA256",
    (day) => `simulator@provider.iam.gserviceaccount.com/${day}/auto/storage/goog4_request`,
  ),
  /** CloudFront with a canned policy ("Create a signed URL using a canned policy"). */
  cloudfront: {
    signature: "Signature",
    // Its own base64: "-" for "+", "_" for "=", "~" for "/".
    spell: (signature) =>
      signature.toString("base64").replace(/[+=/]/g, (sign) => ({ "+": "-", "=": "_" })[sign] ?? "~"),
    parameters: ({ now, lifetime }) => ({
      Expires: String(Math.floor(now / 1000) + lifetime),
      "Key-Pair-Id": "KSIMULATEDPROVIDER",
    }),
    expiry: (query) => Number(query.get("Expires")) * 1000,
  },
  /** A shared access signature of Azure ("Create a service SAS"). */
  azure: {
    signature: "sig",
    spell: (signature) => signature.toString("base64"),
    parameters: ({ now, lifetime }) => ({
      ...{ sv: "2024-11-04", se: new Date(now + lifetime * 1000).toISOString().replace(/\.\d+/, "") },
      ...{ sr: "b", sp: "r" },
    }),
    expiry: (query) => Date.parse(query.get("se") ?? ""),
  },
} satisfies Record<string, Scheme>;

/**
 * Makes and checks links that look like the presigned links of clouds and networks, and expire like them. They are signed
 * over path and query with a key of this provider.
 */
export function signLinks(
  origin: () => string,
  usual: Required<LinkOptions>,
  { clock, random }: { clock: Clock; random: Random },
) {
  const key = random.bytes(32);
  /** When plain links expire, by path. */
  const plain = new Map<string, number>();
  const signatureOf = ({ spell }: Scheme, path: string, query: URLSearchParams) =>
    spell(createHmac("sha256", key).update(`${path}?${query}`).digest());

  function judge(expires: number): LinkCheck {
    return clock.now() > expires ? { is: "expired", expires: new Date(expires) } : { is: "good" };
  }

  return {
    /** The path's link, from now on. */
    sign(path: string, options: LinkOptions = {}): string {
      const { lifetime, scheme: name } = { ...usual, ...options };
      if (name === "plain") {
        plain.set(path, clock.now() + lifetime * 1000);
        return `${origin()}${path}`;
      }
      const scheme = SCHEMES[name];
      const query = new URLSearchParams(scheme.parameters({ now: clock.now(), lifetime, random }));
      query.set(scheme.signature, signatureOf(scheme, path, query));
      return `${origin()}${path}?${query}`;
    },

    check(url: URL): LinkCheck {
      const query = new URLSearchParams(url.search);
      const scheme = Object.values(SCHEMES).find(({ signature }) => query.has(signature));
      if (scheme === undefined) {
        const end = plain.get(url.pathname);
        return end === undefined ? { is: "forged" } : judge(end);
      }
      const given = Buffer.from(query.get(scheme.signature)!);
      query.delete(scheme.signature);
      const right = Buffer.from(signatureOf(scheme, url.pathname, query));
      if (given.length !== right.length || !timingSafeEqual(given, right)) return { is: "forged" };
      return judge(scheme.expiry(query));
    },
  };
}
