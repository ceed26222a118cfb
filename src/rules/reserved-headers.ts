/** The names, in lower case, beside every `webhook-…`. */
const NAMES = new Set([
  ..."content-length content-type expect host user-agent".split(" "),
  ..."connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split(" "),
]);

/**
 * Whether a header of a delivery is the relay's own or belongs to the connection (RFC 9110 §7.6.1): what it says must stay
 * true, so no endpoint's `headers` may set it. In any case of letters.
 */
export function isReservedHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return NAMES.has(lower) || lower.startsWith("webhook-");
}
