import { isIP, type LookupFunction } from "node:net";
import type { Readable } from "node:stream";
import type { Agent } from "undici";
import { RelayError } from "../../errors.ts";
import { openFilesLimit } from "../files/open-files.ts";
import { looksLikeNetwork, type Networks, parseNetworks, refusalOf } from "./addresses.ts";
import { brokeOnReuse, watchConnections } from "./connector.ts";
import { type Exchange, exchange, type Reading } from "./exchange.ts";
import { type Resolve, resolveName } from "./resolver.ts";
import { explainTrust, secureContextOf, type TlsOptions } from "./trust.ts";

export type { Resolve } from "./resolver.ts";

/** The program's limit of connecting, in milliseconds. */
export const CONNECT_TIMEOUT = 10_000;

/** With a lower limit of open files undici is loaded at once. */
const FEW_FILES = 1_024;

/** Guarded outbound HTTP: all requests of the program go through it. */
export type Outbound = {
  /**
   * One request; no redirect is followed. Rejects with RefusedAddress when the host is, or resolves to, an address that is
   * not allowed, with any other error when the network fails. The caller must consume or destroy `body`. A request that
   * breaks on a reused connection before any byte of an answer is sent once more on a connection of its own (RFC 9110 §9.2.2,
   * RFC 9112 §9.3.1).
   */
  request(
    url: URL,
    options: {
      method: "GET" | "HEAD";
      headers: Record<string, string>;
      signal: AbortSignal;
      /** Milliseconds until the response's head, and between two chunks of its body. */
      headersTimeout: number;
      bodyTimeout: number;
      /** A GET whose answer is read leniently (lenient-http.ts): for media hosts, never for endpoints. */
      lenient?: boolean;
    },
  ): Promise<{
    status: number;
    headers: Record<string, string | string[] | undefined>;
    body: Readable;
    /** Of a lenient request: what a strict parser would refuse in the head. */
    oddities?: string[];
  }>;
  /** The same for a POST whose answer is read into memory, as far as `reading` says (exchange.ts). `url` stays as it is. */
  exchange(
    url: URL,
    options: {
      headers: Record<string, string>;
      body: Uint8Array;
      signal: AbortSignal;
      headersTimeout: number;
      bodyTimeout: number;
      reading: Reading;
    },
  ): Promise<Exchange>;
  close(): Promise<void>;
};

/** The address or the scheme is not allowed. Retrying does not help. */
export class RefusedAddress extends Error {
  override readonly name = "RefusedAddress";
}

/**
 * `allowPrivateAddresses`: false, true, or a list of addresses, CIDRs and host names; a host name in it may resolve to any
 * private address. Metadata addresses are always refused. Every address is checked when it is connected to, which defeats DNS
 * rebinding. Interim responses are ignored, and the system's certificate store is trusted. Times are milliseconds;
 * `connections` limits the sockets per origin. No error holds a URL's query.
 * Throws RelayError "config" for a list entry that is neither an address, a CIDR nor a host name.
 */
export function openOutbound(options: {
  allowPrivateAddresses: boolean | string[];
  connectTimeout: number;
  connections?: number;
  /** More authorities to trust, and a client certificate. */
  tls?: TlsOptions | null;
  /** For tests: answers instead of the system's resolver. */
  resolve?: Resolve;
}): Outbound {
  const allowanceOf = readAllowance(options.allowPrivateAddresses);
  const resolve = options.resolve ?? resolveName;
  let isClosed = false;
  const connect = {
    timeout: options.connectTimeout,
    lookup: guardedLookup(resolve, allowanceOf),
    ...(options.tls && { secureContext: secureContextOf(options.tls) }),
  };
  const agents: Partial<Record<"kept" | "fresh", Agent>> = {};
  /** "kept" reuses its connections, "fresh" opens one for each request. */
  const agentOf = async (kind: "kept" | "fresh") => {
    // undici is large, and is loaded with the first request.
    const { Agent, buildConnector } = (await import("undici")).default;
    if (isClosed) throw new Error("the connections are closed");
    agents[kind] ??= new Agent({
      allowH2: false,
      connections: options.connections ?? null,
      pipelining: kind === "kept" ? 1 : 0,
      connect: watchConnections(buildConnector({ allowH2: false, ...connect })),
    });
    return agents[kind];
  };
  /** Of URLs that have been checked: that costs more than the rest of a request's preparation. */
  const places = new WeakMap<URL, ReturnType<typeof placeOf>>();
  function checked(url: URL): ReturnType<typeof placeOf> {
    checkUrl(url, allowanceOf);
    const place = placeOf(url);
    places.set(url, place);
    return place;
  }

  // Later there may be no open file left to load it with.
  if ((openFilesLimit() ?? Number.POSITIVE_INFINITY) < FEW_FILES) agentOf("kept").catch(() => {});

  /** Sends on a kept connection, or, where that had broken, once more on one of its own. */
  async function sendBy<T>(send: (agent: Agent) => Promise<T>, url: URL, signal: AbortSignal): Promise<T> {
    try {
      return await send(agents.kept ?? (await agentOf("kept"))).catch(async (error) => {
        if (!brokeOnReuse(error) || signal.aborted) throw error;
        return send(await agentOf("fresh"));
      });
    } catch (error) {
      throw withoutSecrets(explainTrust(error), url);
    }
  }

  return {
    async request(url, { lenient, ...options }) {
      checkUrl(url, allowanceOf);
      const { headers, signal, bodyTimeout } = options;
      if (lenient) {
        const { getLeniently } = await import("./lenient-http.ts");
        return getLeniently(url, { headers, signal, socketTimeout: bodyTimeout, connect }).catch((error) => {
          throw withoutSecrets(explainTrust(error), url);
        });
      }
      const response = await sendBy((agent) => agent.request({ ...placeOf(url), ...options }), url, signal);
      // A body that fails unread must not end the process; a reader still gets the error.
      response.body.on("error", () => {});
      return { status: response.statusCode, headers: response.headers, body: response.body };
    },
    async exchange(url, { reading, ...options }) {
      const place = places.get(url) ?? checked(url);
      const request = { ...place, method: "POST", ...options } as const;
      return sendBy((agent) => exchange(agent, request, reading), url, options.signal);
    },
    async close() {
      isClosed = true;
      await Promise.all([agents.kept?.destroy(), agents.fresh?.destroy()]);
    },
  };
}

/** Without the user name and password of the URL. */
const placeOf = ({ origin, pathname, search }: URL) => ({ origin, path: `${pathname}${search}` });

/** Why an address that a host name resolves to is refused, in a few words; null: it is allowed. */
export type Guard = (hostname: string, address: string) => string | null;

/** The lookup of `openOutbound` alone, for connections that are no HTTP. Throws as that does. */
export function openLookup(allowPrivateAddresses: boolean | string[], resolve: Resolve = resolveName): LookupFunction {
  return guardedLookup(resolve, readAllowance(allowPrivateAddresses));
}

/** The check of `openOutbound` alone, for doctor. Throws as that does. */
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

/** Whether an entry of `allowPrivateAddresses` that is no network can be used as a host name. */
export function isHostName(entry: string): boolean {
  try {
    return parseHostName(entry) !== "";
  } catch {
    return false;
  }
}

/** The name as in a URL: lower case, Punycode. */
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

/** Checks the scheme, and an address in the URL, which does not reach the lookup. */
function checkUrl(url: URL, allowanceOf: Allowance): void {
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new RefusedAddress(`only http: and https: are spoken, not ${url.protocol}`);
  }
  // WHATWG URLs turn 127.1, 0x7f.1 and 2130706433 into 127.0.0.1, and put IPv6 into brackets.
  const address = url.hostname.replace(/^\[|\]$/g, "");
  const refusal = isIP(address) === 0 ? null : refusalOf(address, allowanceOf(address));
  if (refusal !== null) throw new RefusedAddress(`${address} is ${refusal}, which is not allowed`);
}

/** The lookup of every connect: passes on only allowed addresses. */
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

/** undici's errors name hosts at most; if one quotes the path, the query is removed. */
function withoutSecrets(error: unknown, url: URL): unknown {
  if (error instanceof Error && url.search.length > 1 && error.message.includes(url.search)) {
    error.message = error.message.replaceAll(url.search, "?…");
  }
  return error;
}
