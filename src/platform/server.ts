import { createServer as createHttpServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import type { Clock } from "../domain.ts";
import { type ErrorCode, errorLine, errorTable, RelayError } from "../errors.ts";
import { readTls, type TlsFiles, type TlsPair } from "./tls-files.ts";

/** A request must have sent its head within this long, all of itself within that (then 408). Milliseconds. */
const TIMEOUTS = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 1_000 };

/** Larger heads are answered 431. */
const MAX_HEADERS = 16 * 2 ** 10;

/** Connections beyond this many are not accepted: each costs memory, and the provider needs a handful. */
const MAX_CONNECTIONS = 4_096;

/** Connections that may wait in the kernel, while the process is busy or another takes its place; the kernel's own limit holds too. */
const BACKLOG = 4_096;

/** Seconds after which a refused sender may try again, in a 503. */
const RETRY_AFTER = "5";

/**
 * How long a connection that a client keeps open is left open at a stop, in milliseconds: a request that is on its way on it
 * is still taken, and its answer says that it was the last. One that is closed under a request costs that request. Longer
 * than messages travel, and no longer: meanwhile new connections wait.
 */
const IDLE_GRACE = 400;
const IDLE_AGAIN = 50;

// biome-ignore lint/suspicious/noExplicitAny: the app's own bindings do not matter here
export type App = Hono<any>;

export type Listener = {
  host: string;
  port: number;
  /** From now on this app answers; requests under way are answered by the one that took them. */
  serve(app: App): void;
  /** Connections to come are made with this certificate; for a listener that speaks TLS. Tells whether it is another one. */
  renewTls(pair: TlsPair): boolean;
  /**
   * Takes no new connections: where the socket is systemd's they wait in the kernel for the next process. Resolves when
   * what is under way is answered, or was cut off after `grace` milliseconds.
   */
  close(grace: number): Promise<void>;
};

/** Where to listen: an address of its own, or the file descriptor of a socket that listens already (sd_listen_fds(3)). */
export type Place = { host: string; port: number } | { fd: number };

/** An error as every listener says it: `{"error":{"code","message",…}}`, with the status of the one table. */
export function errorAnswer(
  code: ErrorCode,
  message: string,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Response {
  const { status } = errorTable[code];
  if (status === 503) headers["retry-after"] = RETRY_AFTER;
  // What is left of a body that was not read must not be taken for the next request; a stranger need not stay.
  if (status === 413 || status === 408 || status === 403) headers.connection = "close";
  return Response.json({ error: { code, message, ...more } }, { status, headers });
}

/** Serves an app over HTTP, or HTTPS where certificate and key are given. Port 0 picks one. */
export async function listen(
  app: App,
  at: Place & { tls: TlsFiles | null },
  clock: Clock,
  timeouts = TIMEOUTS,
): Promise<Listener> {
  let current = app;
  let pair = at.tls && readTls(at.tls);
  const limits = { ...timeouts, maxHeaderSize: MAX_HEADERS, keepAliveTimeout: 65_000 };
  const server = createAdaptorServer({
    fetch: (request, env) => current.fetch(request, env),
    ...(at.tls
      ? { createServer: createHttpsServer, serverOptions: { ...limits, ...pair } }
      : { createServer: createHttpServer, serverOptions: limits }),
  }) as Server & { setSecureContext?(pair: TlsPair): void };
  server.maxConnections = MAX_CONNECTIONS;
  server.on("clientError", answerClientError);
  // An expectation that nobody knows of is no reason to lose an event (Node would answer 417 by itself).
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  // Also those that are in their TLS handshake, which the HTTP server does not know of.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  let closing = false;
  server.prependListener("request", (_: IncomingMessage, response) => {
    if (closing) response.setHeader("connection", "close");
  });
  const where = "fd" in at ? "the socket that was handed over" : `${at.host}:${at.port}`;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new RelayError("unsupported", `cannot listen on ${where}: ${errorLine(error)}`)),
    );
    server.listen({ ...("fd" in at ? { fd: at.fd } : { host: at.host, port: at.port }), backlog: BACKLOG }, resolve);
  });
  const bound = server.address() as AddressInfo | string | null;
  if (bound === null || typeof bound === "string") {
    server.close();
    throw new RelayError("unsupported", `cannot listen on ${where}: it is no TCP socket that listens`);
  }
  const { address, port } = bound;
  return {
    host: address,
    port,
    serve(next) {
      current = next;
    },
    renewTls(next) {
      const isOther = pair !== null && !(next.cert.equals(pair.cert) && next.key.equals(pair.key));
      pair = next;
      server.setSecureContext?.(next);
      return isOther;
    },
    async close(grace) {
      closing = true;
      const closed = new Promise<void>((resolve) => {
        // Not the HTTP server's own close: that closes idle connections at once, also those that a request is on its way on.
        NetServer.prototype.close.call(server, () => resolve());
      });
      let cancelIdle = clock.after(Math.min(IDLE_GRACE, grace), function endIdle() {
        // Again and again: an answer that began before ends later.
        server.closeIdleConnections();
        cancelIdle = clock.after(IDLE_AGAIN, endIdle);
      });
      const cancel = clock.after(grace, () => {
        for (const socket of sockets) socket.destroy();
      });
      await closed;
      cancelIdle();
      cancel();
      server.close(); // Ends its watch over slow requests.
    },
  };
}

/** What Node refuses before a request reaches the app, said in our words (nodejs.org/api/http.html#event-clienterror). */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  // As Node's own handler does: never write into the middle of an answer that has begun.
  const answering = (socket as Socket & { _httpMessage?: { headersSent: boolean } })._httpMessage?.headersSent;
  if (!socket.writable || answering) {
    socket.destroy();
    return;
  }
  const [code, message]: [ErrorCode, string] =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? ["request_timeout", "the request took too long"]
      : error.code === "HPE_HEADER_OVERFLOW"
        ? ["headers_too_large", `the headers are larger than ${MAX_HEADERS} bytes`]
        : ["bad_request", "this is not HTTP/1.1"];
  const body = JSON.stringify({ error: { code, message } });
  const { status } = errorTable[code];
  const reason = { 408: "Request Timeout", 431: "Request Header Fields Too Large" }[status] ?? "Bad Request";
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
