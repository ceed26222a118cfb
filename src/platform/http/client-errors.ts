import type { ErrorCode } from "../../errors.ts";

/** A request that was refused before it reached a route. */
export type Unread = {
  /** The socket's address; the header of a proxy is not read yet. */
  address: string;
  /** The answer. */
  code: ErrorCode;
  message: string;
  /** For the log: what was wrong, and what to do. */
  why: string;
  /** What has come after the head, or null. */
  body: Uint8Array | null;
};

/** Node's error for a request that it cannot parse (nodejs.org/api/http.html#event-clienterror). */
export type ClientError = NodeJS.ErrnoException & { rawPacket?: Uint8Array; reason?: string };

type Described = Omit<Unread, "address" | "body">;

/** The first bytes of PROXY protocol version 2 (haproxy.org/download/1.8/doc/proxy-protocol.txt §2.2). */
const PROXY_V2 = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

const PROXY_ADVICE =
  "turn it off in the load balancer, let it set X-Forwarded-For, and name its address in server.trustedProxies";

/** Other protocols, by their first bytes: what is wrong, and what to do. */
const STARTS: [start: Buffer, what: string, advice: string][] = [
  [Buffer.from("PROXY "), "the PROXY protocol (version 1) is not spoken here", PROXY_ADVICE],
  [PROXY_V2, "the PROXY protocol (version 2) is not spoken here", PROXY_ADVICE],
  [
    Buffer.from([0x16, 0x03]),
    "TLS is not spoken on this port",
    "set server.tls, or have the sender or the proxy use http://",
  ],
  [Buffer.from("PRI * HTTP/2.0"), "HTTP/2 is not spoken here", "have the proxy use HTTP/1.1"],
];

const beginsWith = (bytes: Buffer, start: Buffer) => bytes.subarray(0, start.length).equals(start);

/** Describes a client error; `maxHead` is the limit of a head, in bytes. */
export function describeClientError(error: ClientError, maxHead: number): Omit<Unread, "address"> {
  const bytes = Buffer.from(error.rawPacket ?? []);
  return { ...describe(error, bytes, maxHead), body: bodyIn(bytes) };
}

/** A request that did not come in time. */
export function describeLate(limits: { headersTimeout: number; requestTimeout: number }): Omit<Unread, "address"> {
  const seconds = (ms: number) => `${ms / 1000} s`;
  const why = `the request was not complete in time (its head within ${seconds(limits.headersTimeout)}, all of it within ${seconds(limits.requestTimeout)})`;
  return { code: "request_timeout", message: "the request took too long", why, body: null };
}

function describe({ code = "", reason }: ClientError, bytes: Buffer, maxHead: number): Described {
  const [, what, advice] = STARTS.find(([start]) => beginsWith(bytes, start)) ?? [];
  if (what !== undefined) return { code: "bad_request", message: what, why: `${what}: ${advice}` };
  if (code === "HPE_HEADER_OVERFLOW") {
    const message = `the headers are larger than ${maxHead} bytes`;
    return { code: "headers_too_large", message, why: message };
  }
  if (code === "ERR_SSL_HTTP_REQUEST") {
    const message = "only TLS is spoken on this port";
    return { code: "bad_request", message, why: `${message}: have the sender or the proxy use https://` };
  }
  if (code.startsWith("ERR_SSL_")) {
    return { code: "bad_request", message: "this is not TLS", why: `the TLS handshake failed (${code})` };
  }
  if (code === "HPE_INVALID_EOF_STATE" || !code.startsWith("HPE_")) {
    const message = "the connection ended before the request was complete";
    return { code: "bad_request", message, why: message };
  }
  // The only reason on Deno.
  const detail = reason === undefined || reason === "Parse Error" ? "" : `: ${reason}`;
  return { code: "bad_request", message: "this is not HTTP/1.1", why: `it is not valid HTTP/1.1${detail}` };
}

/** What follows the first empty line of a packet, or null. */
function bodyIn(bytes: Buffer): Uint8Array | null {
  const isProxyV2 = beginsWith(bytes, PROXY_V2) && bytes.length >= 16;
  const request = isProxyV2 ? bytes.subarray(16 + bytes.readUInt16BE(14)) : bytes;
  const ends = ["\r\n\r\n", "\n\n"].map((end) => ({ at: request.indexOf(end), length: end.length }));
  const end = ends.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at)[0];
  const body = end && request.subarray(end.at + end.length);
  return body && body.length > 0 ? Uint8Array.from(body) : null;
}
