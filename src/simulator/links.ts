import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock, Random } from "../domain.ts";

/** What a link is worth: good, past its time, or never ours. */
export type LinkCheck = { is: "good" } | { is: "expired"; expires: Date } | { is: "forged" };

export type LinkSigner = {
  /** The path's link for `lifetime` seconds from now. No two are equal. */
  sign(path: string): string;
  check(url: URL): LinkCheck;
};

const DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/**
 * Links that look and die as presigned links of AWS do (Signature Version 4, "query string authentication"):
 * X-Amz-Date, X-Amz-Expires (seconds) and a signature over path and query. The key behind them is one of our own.
 */
export function signLinks(
  origin: () => string,
  lifetime: number,
  { clock, random }: { clock: Clock; random: Random },
): LinkSigner {
  const key = random.bytes(32);
  const signatureOf = (path: string, query: URLSearchParams) =>
    createHmac("sha256", key).update(`${path}?${query}`).digest();
  return {
    sign(path) {
      const date = new Date(clock.now()).toISOString().replace(/[-:]|\.\d+/g, "");
      const query = new URLSearchParams({
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": `ASIASIMULATEDPROVIDER/${date.slice(0, 8)}/us-east-1/s3/aws4_request`,
        "X-Amz-Date": date,
        "X-Amz-Expires": String(lifetime),
        "X-Amz-Security-Token": Buffer.from(random.bytes(24)).toString("base64"),
        "X-Amz-SignedHeaders": "host",
      });
      const signature = signatureOf(path, query);
      query.set("X-Amz-Signature", signature.toString("hex"));
      return `${origin()}${path}?${query}`;
    },
    check(url) {
      const query = new URLSearchParams(url.search);
      const given = Buffer.from(query.get("X-Amz-Signature") ?? "", "hex");
      query.delete("X-Amz-Signature");
      const right = signatureOf(url.pathname, query);
      if (given.length !== right.length || !timingSafeEqual(given, right)) return { is: "forged" };
      const [, year, month, day, hour, minute, second] = DATE.exec(query.get("X-Amz-Date")!)!.map(Number) as number[];
      const from = Date.UTC(year!, month! - 1, day, hour, minute, second);
      const expires = new Date(from + Number(query.get("X-Amz-Expires")) * 1000);
      return clock.now() > expires.getTime() ? { is: "expired", expires } : { is: "good" };
    },
  };
}
