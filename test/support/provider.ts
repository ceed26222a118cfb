import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../src/ports.ts";
import type { ServedMedium } from "../../src/simulator/medium.ts";
import { openProvider, type Provider } from "../../src/simulator/provider.ts";
import { realPorts } from "./real-ports.ts";

/** A provider of real time and chance, for as long as `run` takes. */
export async function withProvider(
  options: Partial<Parameters<typeof openProvider>[0]>,
  run: (provider: Provider) => Promise<void>,
): Promise<void> {
  const provider = await openProvider({ ...realPorts(), ...options });
  try {
    await run(provider);
  } finally {
    await provider.close();
  }
}

/** A request as it came. `status` is filled in when it has been answered; null while, or where, nothing is. */
export type MediaRequest = {
  at: number;
  method: string;
  path: string;
  range: string | null;
  ifRange: string | null;
  status: number | null;
};

/** The requests that come to a server of media from now on, in their order. */
export function recordRequests({ server }: Pick<Provider, "server">, clock: Clock): MediaRequest[] {
  const requests: MediaRequest[] = [];
  server.prependListener("request", ({ method = "", url = "", headers }, response) => {
    const { range = null, "if-range": ifRange = null } = headers;
    const path = new URL(url, "http://provider.test").pathname;
    const seen: MediaRequest = {
      at: clock.now(),
      method,
      path,
      range,
      ifRange: ifRange && String(ifRange),
      status: null,
    };
    requests.push(seen);
    response.once("close", () => {
      if (response.headersSent) seen.status = response.statusCode;
    });
  });
  return requests;
}

/**
 * What a server of files may do otherwise than cloud storage does, without being wrong (RFC 9110: ranges, 14.3, and
 * validators, 8.8, are optional).
 */
export type Habits = {
  /** False: it ignores ranges, and always sends the whole file. */
  ranges?: boolean;
  /** "changing": another one for each request, though the file is the same. */
  etag?: "strong" | "weak" | "changing" | "none";
  /** False: it sends no last-modified. */
  lastModified?: boolean;
};

/** From now on the provider serves this medium with these habits. */
export function setHabits(provider: Provider, { path, counts }: ServedMedium, habits: Habits): void {
  const { ranges = true, etag = "strong", lastModified = true } = habits;
  provider.server.prependListener("request", ({ url, headers }: IncomingMessage, response: ServerResponse) => {
    if (!url?.startsWith(`${path}?`)) return;
    if (!ranges) delete headers.range;
    if (!lastModified) delete headers["if-modified-since"];
    const condition = headers["if-range"];
    const isKnown = condition === undefined || (String(condition).endsWith('"') ? etag === "strong" : lastModified);
    if (!isKnown) delete headers.range;
    const writeHead = response.writeHead.bind(response) as (...head: unknown[]) => ServerResponse;
    response.writeHead = (...head: unknown[]) => {
      const tag = String(response.getHeader("etag"));
      if (!ranges) response.removeHeader("accept-ranges");
      if (!lastModified) response.removeHeader("last-modified");
      if (etag === "none") response.removeHeader("etag");
      if (etag === "weak") response.setHeader("etag", `W/${tag}`);
      if (etag === "changing") response.setHeader("etag", tag.replace(/"$/, `-${counts.requests}"`));
      return writeHead(...head);
    };
  });
}

/** Whose presigned links a link looks like; "plain" has no query and does not carry its expiry. */
export type LinkScheme = "aws" | "google" | "cloudfront" | "azure" | "plain";

/** How a link is made; its lifetime in seconds. */
export type LinkOptions = { scheme: LinkScheme; lifetime: number };

/**
 * Links to a provider's media in the spelling of others: AWS's own (Signature Version 4), Google's "Signed URLs" (V4),
 * CloudFront's with a canned policy, Azure's shared access signatures. Each is answered as the provider's own link of the
 * same lifetime, in whose place it stands; of plain ones the last of a file holds.
 */
export function linkMaker({ url, server }: Provider, clock: Clock) {
  const own = new Map<string, string>();
  server.prependListener("request", (request) => {
    request.url = own.get(request.url ?? "") ?? request.url;
  });
  return (medium: ServedMedium, { scheme, lifetime }: LinkOptions): string => {
    const link = medium.link(lifetime);
    if (scheme === "aws") return link;
    const signature = new URL(link).searchParams.get("X-Amz-Signature")!;
    const query = QUERIES[scheme](clock.now(), lifetime, signature);
    const path = `${medium.path}${query === null ? "" : `?${new URLSearchParams(query)}`}`;
    own.set(path, link.slice(url.length));
    return `${url}${path}`;
  };
}

const QUERIES: Record<
  Exclude<LinkScheme, "aws">,
  (now: number, lifetime: number, signature: string) => Record<string, string> | null
> = {
  google: (now, lifetime, signature) => ({
    "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
    "X-Goog-Credential": "simulator@provider.iam.gserviceaccount.com/20260101/auto/storage/goog4_request",
    "X-Goog-Date": new Date(now).toISOString().replace(/[-:]|\.\d+/g, ""),
    "X-Goog-Expires": String(lifetime),
    "X-Goog-SignedHeaders": "host",
    "X-Goog-Signature": signature,
  }),
  cloudfront: (now, lifetime, signature) => ({
    Expires: String(Math.floor(now / 1000) + lifetime),
    "Key-Pair-Id": "KSIMULATEDPROVIDER",
    Signature: `${signature}__`,
  }),
  azure: (now, lifetime, signature) => ({
    ...{ sv: "2024-11-04", se: new Date(now + lifetime * 1000).toISOString().replace(/\.\d+/, ""), sr: "b", sp: "r" },
    sig: Buffer.from(signature, "hex").toString("base64"),
  }),
  plain: () => null,
};
