import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { RelayError } from "../../errors.ts";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** A set of addresses. An IPv4-mapped IPv6 address (`::ffff:1.2.3.4`) is judged as the IPv4 address it is. */
export type Networks = {
  /** False also for text that is no address. */
  contains(address: string): boolean;
};

/**
 * Reads addresses and CIDRs, IPv4 and IPv6. Bits behind the prefix do not matter (`10.1.2.3/8` is `10.0.0.0/8`).
 * Throws RelayError "config" that names the first bad entry.
 */
export function parseNetworks(list: string[]): Networks {
  const networks = list.map(parseNetwork);
  return {
    contains(text) {
      const address = parseAddress(text);
      return address !== null && networks.some((network) => holds(network, address));
    },
  };
}

/** Whether an entry is an address or a CIDR rather than a host name. */
export function looksLikeNetwork(entry: string): boolean {
  return entry.includes("/") || entry.includes(":") || /^[\d.]+$/.test(entry);
}

function parseNetwork(entry: string): [Address, number] {
  const [text = "", prefix, ...rest] = entry.split("/");
  const family = isIP(text);
  const bits = family === 6 ? 128 : 32;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (family === 0 || text.includes("%") || rest.length > 0 || !(length <= bits)) {
    throw new RelayError(
      "config",
      `"${entry}" is neither an address nor a CIDR; write it like 192.0.2.7, 10.0.0.0/8 or fd00::/8`,
    );
  }
  const address = readAddress(text);
  // A range inside ::ffff:0:0/96 is a range of IPv4 addresses.
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && length >= 96
    ? [address.toIPv4Address(), length - 96]
    : [address, length];
}

function holds([network, length]: [Address, number], address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, length);
}

/** Null for anything but a whole address; IPv4-mapped becomes IPv4, a zone (`%eth0`) is dropped. */
function parseAddress(text: string): Address | null {
  if (isIP(text) === 0) return null;
  const address = readAddress(text.split("%", 1)[0]!);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

/** The holder of an address: an IPv6 host has a whole network of 64 bits (RFC 6177), which counts as one. */
export function holderOf(text: string): string {
  const address = parseAddress(text);
  if (address instanceof ipaddr.IPv6) return `${address.toByteArray().slice(0, 8).join(".")}/64`;
  return address?.toString() ?? text;
}

/** ipaddr.js reads `::1.2.3.4` as `::ffff:1.2.3.4`; a URL writes it in hexadecimal. */
function readAddress(text: string): Address {
  const isMixed = text.includes(":") && text.includes(".");
  return ipaddr.parse(isMixed ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : text);
}

/** The most entries of X-Forwarded-For that are read: no real chain is longer, and the header may be forged. */
const MAX_HOPS = 32;

/**
 * The sender's address: the socket's, or, where that is a trusted proxy, the right-most address of X-Forwarded-For that is
 * not one; the left-most when all are. Entries further left may be forged and are not read. Null (refuse) at an entry that
 * is no address, or too many.
 */
export function clientAddress(
  socketAddress: string | undefined,
  forwardedFor: string | string[] | undefined,
  trusted: Networks,
): string | null {
  let client = normalise(socketAddress ?? "");
  if (client === null || !trusted.contains(client)) return client;
  const header = Array.isArray(forwardedFor) ? forwardedFor.join(",") : (forwardedFor ?? "");
  if (header === "") return client;
  const entries = header.split(",");
  for (const entry of entries.slice(-MAX_HOPS).reverse()) {
    client = normalise(withoutPort(entry.trim()));
    if (client === null || !trusted.contains(client)) return client;
  }
  return entries.length > MAX_HOPS ? null : client;
}

function normalise(text: string): string | null {
  return parseAddress(text)?.toString() ?? null;
}

/** `1.2.3.4:55` and `[::1]:55` are what some proxies write (RFC 7239 §6); a bare IPv6 address has no port. */
function withoutPort(entry: string): string {
  const match = /^(?:\[([^\]]*)\]|(\d[\d.]*))(?::\d{1,5})?$/.exec(entry);
  const text = match?.[1] ?? match?.[2] ?? entry;
  return match?.[1] !== undefined && isIP(text) !== 6 ? "" : text;
}

/**
 * The metadata services of clouds, which hand out credentials; never allowed, whatever the config. AWS, GCP, Azure,
 * OpenStack and most others; AWS ECS and EKS; Alibaba; Tencent; Scaleway; Oracle; Azure's wire server; and their IPv6.
 */
const METADATA = parseNetworks([
  "169.254.169.254",
  "169.254.170.2",
  "169.254.170.23",
  "100.100.100.200",
  "169.254.0.23",
  "169.254.42.42",
  "192.0.0.192",
  "168.63.129.16",
  "fd00:ec2::254",
  "fd00:ec2::23",
  "fd20:ce::254",
  "fd00:42::42",
  "fe80::a9fe:a9fe",
]);

/** Words for ipaddr.js's names of the ranges that are not public; all others are called reserved. */
const RANGE_WORDS: Record<string, string> = {
  private: "a private address",
  loopback: "a loopback address",
  linkLocal: "a link-local address",
  carrierGradeNat: "a carrier-grade NAT address",
  unspecified: "an unspecified address",
  multicast: "a multicast address",
  broadcast: "a broadcast address",
  reserved: "a reserved address",
  uniqueLocal: "a unique local address",
  deprecatedSiteLocal: "a site-local address",
};

const GLOBAL_UNICAST: [Address, number] = [ipaddr.parse("2000::"), 3];

/**
 * Why a connection to this address is refused, in a few words; null: it is allowed. Allowed are public addresses and those
 * in `allowed` (true: all private ones), but never a metadata address. An IPv6 address that leads to an IPv4 one (mapped,
 * translated, NAT64, 6to4, Teredo) is judged by that one, and by each one that it may lead to.
 */
export function refusalOf(address: string, allowed: boolean | Networks): string | null {
  const outer = parseAddress(address);
  if (outer === null) return "not an IP address";
  const inner = outer instanceof ipaddr.IPv6 ? embedded(outer) : [];
  if ([outer, ...inner].some((candidate) => METADATA.contains(candidate.toString()))) return "a cloud metadata address";
  const isAllowed = (candidate: Address) =>
    typeof allowed === "boolean" ? allowed : allowed.contains(candidate.toString());
  if (isAllowed(outer)) return null;
  for (const candidate of inner.length > 0 ? inner : [outer]) {
    const refusal = rangeRefusal(candidate);
    if (refusal !== null && !isAllowed(candidate)) return refusal;
  }
  return null;
}

/** Refuses all but plain unicast, for IPv6 inside 2000::/3, which is all that IANA has given out. */
function rangeRefusal(address: Address): string | null {
  const range = address.range();
  if (range === "unicast" && (address.kind() === "ipv4" || holds(GLOBAL_UNICAST, address))) return null;
  return RANGE_WORDS[range] ?? "a reserved address";
}

/** The IPv4 addresses that packets to an IPv6 address may reach. */
function embedded(address: ipaddr.IPv6): ipaddr.IPv4[] {
  const bytes = address.toByteArray();
  const at = (...positions: number[]) => new ipaddr.IPv4(positions.map((position) => bytes[position]!));
  const lowest = at(12, 13, 14, 15);
  const lowestIsZero = lowest.toString() === "0.0.0.0";
  if (isIn(address, "64:ff9b:1::", 48)) {
    // RFC 8215: the prefix length is a local choice. RFC 6052 §2.2: with /48, bits 64 to 71 are skipped.
    return lowestIsZero ? [at(6, 7, 9, 10)] : [at(6, 7, 9, 10), lowest];
  }
  if (isIn(address, "64:ff9b::", 96) || isIn(address, "::ffff:0:0:0", 96)) return [lowest]; // RFC 6052, RFC 6145
  if (isIn(address, "2002::", 16)) return [at(2, 3, 4, 5)]; // RFC 3056
  // RFC 4380 §4: the server, and the client with its bits inverted.
  if (isIn(address, "2001::", 32)) {
    return [at(4, 5, 6, 7), new ipaddr.IPv4(bytes.slice(12).map((byte) => byte ^ 0xff))];
  }
  // IPv4-compatible (RFC 4291 §2.5.5.1), except :: and ::1.
  if (isIn(address, "::", 96) && address.range() !== "unspecified" && address.range() !== "loopback") return [lowest];
  return [];
}

function isIn(address: ipaddr.IPv6, network: string, length: number): boolean {
  return address.match(ipaddr.IPv6.parse(network), length);
}
