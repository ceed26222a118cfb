import type { Socket } from "node:net";
import type { buildConnector } from "undici";
import { createInterimFilter } from "./interim-responses.ts";
import { trustSystemStore } from "./trust.ts";

type Connect = buildConnector.connector;

/** Errors of a connection that the other side, or the network, has ended. */
const BREAKS = new Set(["UND_ERR_SOCKET", "ECONNRESET", "ECONNABORTED", "EPIPE", "ENOTCONN", "ETIMEDOUT"]);

/** The errors of requests that broke on a reused connection before any byte of an answer. */
const stale = new WeakSet<object>();

/**
 * Whether a request broke on a reused connection before any byte of an answer: most likely the server closed the idle
 * connection while the request was on its way (RFC 9112 §9.3.1).
 */
export function brokeOnReuse(error: unknown): boolean {
  return typeof error === "object" && error !== null && stale.has(error);
}

/**
 * The connect function of every agent: trusts the system's certificate store, removes interim responses, and notes the
 * breaks of reused connections for `brokeOnReuse`.
 */
export function watchConnections(connect: Connect): Connect {
  return (options, callback) => {
    if (options.protocol === "https:") trustSystemStore();
    connect(options, (...result) => {
      if (result[0] === null) watch(result[1]);
      callback(...result);
    });
  };
}

/**
 * A connection carries one request at a time (no pipelining), which undici writes in one turn: a write begins a request, and
 * what is received after it is the answer.
 */
function watch(socket: Socket): void {
  const filter = createInterimFilter();
  let isReused = false;
  let isSilent = true;
  const { write, push } = socket;
  socket.write = function (this: Socket, ...given: unknown[]) {
    isReused ||= filter.isAnswered();
    isSilent = true;
    filter.expectHead();
    return Reflect.apply(write, this, given);
  } as Socket["write"];
  // Node and Deno pass received bytes to `push`.
  socket.push = function (this: Socket, chunk: Uint8Array | null, encoding?: BufferEncoding) {
    if (chunk === null) {
      const rest = filter.flush();
      if (rest.length > 0) Reflect.apply(push, this, [rest]);
      return Reflect.apply(push, this, [null]);
    }
    isSilent = false;
    // An empty rest is pushed too, because reading goes on at a push.
    return Reflect.apply(push, this, [filter.pass(chunk), encoding]);
  } as Socket["push"];
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (isReused && isSilent && BREAKS.has(error.code ?? "")) stale.add(error);
  });
}
