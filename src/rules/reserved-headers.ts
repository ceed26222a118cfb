/** In lower case; all of `webhook-…` are reserved as well. */
const NAMES = new Set([
  ..."content-length content-type expect host user-agent".split(" "),
  ..."connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split(" "),
]);

/**
 * Whether a header of a delivery is set by the relay or belongs to the connection (RFC 9110 §7.6.1), so that no endpoint's
 * `headers` may set it. Ignores case.
 */
export function isReservedHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return NAMES.has(lower) || lower.startsWith("webhook-");
}
