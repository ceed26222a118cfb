import type { Asking } from "../admin/door.ts";
import type { Config } from "../config/schema.ts";

/** A choice of who looks, which the script keeps in a cookie: the theme, the zone. */
export function preferenceOf(c: Asking, name: "theme" | "tz"): string | null {
  const [, value] = new RegExp(`(?:^|;)\\s*${name}=([^;]{1,80})`).exec(c.req.header("cookie") ?? "") ?? [];
  if (value === undefined) return null;
  try {
    return decodeURIComponent(value.trim());
  } catch {
    return null;
  }
}

/**
 * What a page may load: the sheet, the script, and pictures and films from here or from where copies are reached. Nothing
 * else, and nothing that stands in the page itself. `copies`: origins of other servers that copies are read from.
 */
export function policyOf({ server, mirror }: Pick<Config, "server" | "mirror">, copies: string[] = []): string {
  const own = [server.publicUrl, mirror.publicBaseUrl].filter((url) => url !== null).map((url) => new URL(url).origin);
  const media = ["'self'", ...new Set([...own, ...copies])].join(" ");
  return [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    `img-src ${media}`,
    `media-src ${media}`,
  ].join("; ");
}
