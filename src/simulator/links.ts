import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { isSameSecret } from "../platform/same-secret.ts";
import type { Clock, Random } from "../ports.ts";

/** How long a link is good for unless given, in seconds (PROVIDER, "Links live 24 hours"). */
const LIFETIME = 86_400;

/** Whether a link is good; `forged`: the signature is not of this provider. */
export type LinkCheck = { is: "good" } | { is: "expired"; expires: Date } | { is: "forged" };

/**
 * Makes and checks links that look like presigned links of AWS (Signature Version 4, "query string authentication"), and
 * expire like them. They are signed over path and query with a key of this provider. No two links are equal: each has a
 * session token of its own.
 */
export function signLinks(origin: () => string, { clock, random }: { clock: Clock; random: Random }) {
  const key = random.bytes(32);
  const signatureOf = (path: string, query: URLSearchParams) =>
    createHmac("sha256", key).update(`${path}?${query}`).digest("hex");

  return {
    /** The path's link, from now on; `lifetime` in seconds. */
    sign(path: string, lifetime = LIFETIME): string {
      const time = new Date(clock.now()).toISOString().replace(/[-:]|\.\d+/g, "");
      const query = new URLSearchParams({
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": `ASIASIMULATEDPROVIDER/${time.slice(0, 8)}/us-east-1/s3/aws4_request`,
        "X-Amz-Date": time,
        "X-Amz-Expires": String(lifetime),
        "X-Amz-Security-Token": Buffer.from(random.bytes(24)).toString("base64"),
        "X-Amz-SignedHeaders": "host",
      });
      query.set("X-Amz-Signature", signatureOf(path, query));
      return `${origin()}${path}?${query}`;
    },

    check(url: URL): LinkCheck {
      const query = new URLSearchParams(url.search);
      const given = query.get("X-Amz-Signature") ?? "";
      query.delete("X-Amz-Signature");
      if (!isSameSecret(given, signatureOf(url.pathname, query))) return { is: "forged" };
      const start = query.get("X-Amz-Date")!.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
      const expires = Date.parse(start) + Number(query.get("X-Amz-Expires")) * 1000;
      return clock.now() > expires ? { is: "expired", expires: new Date(expires) } : { is: "good" };
    },
  };
}
