import { lookup as systemLookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import type { Readable } from "node:stream";
import type { Agent } from "undici";
import { RelayError } from "../errors.ts";
import { looksLikeNetwork, type Networks, parseNetworks, refusalOf } from "./addresses.ts";

/** Outbound HTTP, guarded: the only way out of the program. */
export type Outbound = {
  /**
   * One request, no redirect followed. Rejects with RefusedAddress when the host is, or resolves to, an address that
   * is not allowed, with any other error when the network fails. The caller must consume or destroy `body`.
   */
  request(
    url: URL,
    options: {
      method: "GET" | "HEAD" | "POST";
      headers: Record<string, string>;
      body?: Uint8Array;
      signal: AbortSignal;
      /** Milliseconds until the response's head, and between two chunks of its body. */
      headersTimeout: number;
      bodyTimeout: number;
    },
  ): Promise<{ status: number; headers: Record<string, string | string[] | undefined>; body: Readable }>;
  close(): Promise<void>;
};

/** The address, or the scheme, is one that this program does not talk to. Asking again does not help. */
export class RefusedAddress extends Error {
  override readonly name = "RefusedAddress";
}

/** All addresses of a host name, as `dns.lookup` with `all` gives them. */
export type Resolve = (hostname: string) => Promise<{ address: string; family: number }[]>;

/** Lookups under way, by name: they run on few threads of the process, and a dead name server holds each for seconds. */
const lookups = new Map<string, ReturnType<Resolve>>();

/** The system's resolver, asked once at a time for each name, whoever wants to know it. */
function resolveOnce(hostname: string): ReturnType<Resolve> {
  const known = lookups.get(hostname);
  if (known) return known;
  const asked = systemLookup(hostname, { all: true }).finally(() => lookups.delete(hostname));
  lookups.set(hostname, asked);
  return asked;
}

/**
 * Opens the way out. `allowPrivateAddresses`: false, true, or a list of addresses, CIDRs and host names; a host name in
 * it may resolve to any private address. Metadata addresses are refused whatever it says. Every address is checked where
 * it is connected to, so a name that resolves differently the second time gains nothing (DNS rebinding).
 * Times are milliseconds; `connections` bounds the sockets per origin. No error tells a URL's query.
 * Throws RelayError "config" for a list entry that is neither an address, a CIDR nor a host name.
 */
export function openOutbound(options: {
  allowPrivateAddresses: boolean | string[];
  connectTimeout: number;
  connections?: number;
  /** For tests: answers instead of the system's resolver. */
  resolve?: Resolve;
}): Outbound {
  const allowanceOf = readAllowance(options.allowPrivateAddresses);
  const resolve = options.resolve ?? resolveOnce;
  // undici is large, and no start waits for a request that goes out.
  let agent: Agent | null = null;
  let isClosed = false;
  const openAgent = async () => {
    const { Agent } = (await import("undici")).default;
    if (isClosed) throw new Error("the way out is closed");
    agent ??= new Agent({
      allowH2: false,
      connections: options.connections ?? null,
      connect: { timeout: options.connectTimeout, lookup: guardedLookup(resolve, allowanceOf) },
    });
    return agent;
  };
  return {
    async request(url, { method, headers, body, signal, headersTimeout, bodyTimeout }) {
      checkUrl(url, allowanceOf);
      try {
        // Origin and path only: a user name and password in a URL are never sent.
        const response = await (agent ?? (await openAgent())).request({
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method,
          headers,
          body: body ?? null,
          signal,
          headersTimeout,
          bodyTimeout,
        });
        // A body that fails while nobody reads it must not end the process; whoever reads it still sees the error.
        response.body.on("error", () => {});
        return { status: response.statusCode, headers: response.headers, body: response.body };
      } catch (error) {
        throw withoutSecrets(error, url);
      }
    },
    async close() {
      isClosed = true;
      await agent?.destroy();
    },
  };
}

/** What the guard says of an address that a host name resolves to: why it is refused, in a few words; null: it is allowed. */
export type Guard = (hostname: string, address: string) => string | null;

/** The judgement of `openOutbound` alone, for those who explain it. Throws as that does. */
export function openGuard(allowPrivateAddresses: boolean | string[]): Guard {
  const allowanceOf = readAllowance(allowPrivateAddresses);
  return (hostname, address) => refusalOf(address, allowanceOf(hostname));
}

type Allowance = (hostname: string) => boolean | Networks;

function readAllowance(given: boolean | string[]): Allowance {
  if (typeof given === "boolean") return () => given;
  const networks = parseNetworks(given.filter(looksLikeNetwork));
  const names = new Set(given.filter((entry) => !looksLikeNetwork(entry)).map(parseHostName));
  return (hostname) => names.has(plainName(hostname)) || networks;
}

const HOST_NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;

/** The name as a URL would hold it: lower case, Punycode. */
function parseHostName(entry: string): string {
  const name = URL.canParse(`http://${entry}/`) ? plainName(new URL(`http://${entry}/`).hostname) : "";
  if (HOST_NAME.test(name) && isIP(name) === 0 && !/[/?#@:\\\s]/.test(entry)) return name;
  throw new RelayError(
    "config",
    `"${entry}" is neither an address, a CIDR nor a host name; write it like 10.0.0.0/8 or cdn.internal`,
  );
}

function plainName(hostname: string): string {
  return hostname.toLowerCase().replace(/\.$/, "");
}

/** The scheme, and the address where the URL names one: those never reach the lookup. */
function checkUrl(url: URL, allowanceOf: Allowance): void {
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new RefusedAddress(`only http: and https: are spoken, not ${url.protocol}`);
  }
  // WHATWG URLs have turned 127.1, 0x7f.1 and 2130706433 into 127.0.0.1, and put IPv6 into brackets.
  const address = url.hostname.replace(/^\[|\]$/g, "");
  const refusal = isIP(address) === 0 ? null : refusalOf(address, allowanceOf(address));
  if (refusal !== null) throw new RefusedAddress(`${address} is ${refusal}, which is not allowed`);
}

/** The lookup of every connect: only addresses that passed the check are connected to. */
function guardedLookup(resolve: Resolve, allowanceOf: Allowance): LookupFunction {
  return (hostname, { all }, callback) => {
    resolve(hostname).then(
      (found) => {
        const allowance = allowanceOf(hostname);
        const passed = found.filter(({ address }) => refusalOf(address, allowance) === null);
        const first = passed[0];
        if (first === undefined) {
          const refused = found[0];
          const why = refused && `${refused.address}, ${refusalOf(refused.address, allowance)}, which is not allowed`;
          callback(new RefusedAddress(`${hostname} resolves to ${why ?? "no address"}`), "", 0);
        } else if (all) callback(null, passed);
        else callback(null, first.address, first.family);
      },
      (error) => callback(error, "", 0),
    );
  };
}

/** undici's own errors name hosts at most; should one ever quote the path, the query is taken out. */
function withoutSecrets(error: unknown, url: URL): unknown {
  if (error instanceof Error && url.search.length > 1 && error.message.includes(url.search)) {
    error.message = error.message.replaceAll(url.search, "?…");
  }
  return error;
}
