import type { Context, HonoRequest } from "hono";
import type { Config } from "../../config/schema.ts";
import type { LinkSecrets } from "../../links/link-secrets.ts";
import type { Store } from "../../store/store.ts";
import { type Copies, type CopyRequest, refusal } from "./copy.ts";

/** Serving: request → signature → media row → target → the copy, or a redirect to it. */

const PREFIX = "/media/";

/** CORS (fetch.spec.whatwg.org): any origin may fetch copies, because the link is the permission. */
const ANY_ORIGIN = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified",
};
const PREFLIGHT = {
  ...ANY_ORIGIN,
  "access-control-allow-methods": "GET, HEAD",
  "access-control-allow-headers": "Range, If-Range, If-None-Match, If-Modified-Since",
  "access-control-max-age": "86400",
  allow: "GET, HEAD, OPTIONS",
};

/**
 * `GET` and `HEAD /media/<key>`, whole or one range (RFC 9110 §13, §14). Only keys of media rows are served. A missing or
 * invalid `sig`, unless links are open, gets the same 404 as a file that does not exist; a target that fails, and a copy whose
 * size differs from the row, get a 503. `OPTIONS` answers a preflight.
 */
export function mediaRoute(options: {
  store: Pick<Store, "mediumByKey">;
  copies: Pick<Copies, "serve">;
  config: Pick<Config["mirror"], "links">;
  secrets: Pick<LinkSecrets, "isSigned">;
}): (context: Context) => Promise<Response> {
  const { store, copies, config, secrets } = options;
  return async ({ req, env }) => {
    if (req.method === "OPTIONS") return new Response(null, { status: 204, headers: PREFLIGHT });
    const answer = await answerTo(req, env?.outgoing);
    for (const [name, value] of Object.entries(ANY_ORIGIN)) answer.headers.set(name, value);
    return answer;
  };

  async function answerTo(req: HonoRequest, outgoing: CopyRequest["outgoing"]): Promise<Response> {
    const url = new URL(req.url);
    const key = keyIn(url.pathname);
    const sig = url.searchParams.get("sig") ?? "";
    if (key === null || (config.links !== "open" && !(await secrets.isSigned(key, sig)))) return notFound();
    const medium = await store.mediumByKey(key);
    if (medium === null || medium.target === null || medium.state === "deleted") return notFound();
    // The link of a replaced thumbnail leads to the newer copy.
    const copy = { ...medium, target: medium.target, key: medium.key ?? key };
    return copies.serve(copy, { method: req.method, header: (name) => req.header(name), outgoing });
  }
}

const notFound = () => refusal("not_found", "no such file, or the link is not valid");

/** The key in a path; null: none. An encoded slash does not separate parts. */
function keyIn(path: string): string | null {
  if (!path.startsWith(PREFIX)) return null;
  try {
    const parts = path.slice(PREFIX.length).split("/").map(decodeURIComponent);
    return parts.every((part) => /^[\w~-][\w.~-]*$/.test(part)) ? parts.join("/") : null;
  } catch {
    return null;
  }
}
