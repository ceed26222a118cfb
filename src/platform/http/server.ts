import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import { codeOf, type ErrorCode, errorLine, errorTable, RelayError } from "../../errors.ts";
import type { Clock, Log } from "../../ports.ts";
import { openFilesLimit, shareOpenFiles } from "../files/open-files.ts";
import { afterReads } from "../runtime.ts";
import { every } from "../timing.ts";
import { type ClientError, describeClientError, describeLate, type Unread } from "./client-errors.ts";
import type { ConnectionLimits, Trust } from "./connection-limits.ts";
import { createConnections } from "./connections.ts";
import { readTls, type TlsFiles, type TlsPair } from "./tls-files.ts";
import { createWaiting, takeAll } from "./waiting.ts";

/** How long a sender's connection is kept for its next request, and how often connections are looked at, in milliseconds. */
const TIMES = { keepAlive: 65_000, connectionsCheckingInterval: 1_000 };

/** The largest head, in bytes; a larger one is answered 431. */
const MAX_HEADERS = 16 * 2 ** 10;

/** Each connection costs memory. The provider needs a handful; the last eighth is for addresses that may send. */
const CONNECTIONS: ConnectionLimits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  atMost: 4_096,
  forStrangers: 3_584,
  share: 256,
  openShare: 1_024,
  strangerIdle: 5_000,
  giveWay: 2_000,
  stall: 30_000,
  stalledReaders: 256,
};

/** Connections that wait in the kernel while the process is busy or being replaced; the kernel's own limit holds too. */
const BACKLOG = 4_096;

/** `Retry-After` of a 503, in seconds. */
const RETRY_AFTER = "5";

/**
 * How long idle connections stay open at a stop, in milliseconds: closing one under a request would lose that request. A
 * request that comes meanwhile is answered with `connection: close`. Longer than the way of a message, and no longer, because
 * new connections wait meanwhile.
 */
const IDLE_GRACE = 400;
const IDLE_AGAIN = 50;

/** How long what is answered last at a stop has to get out, in milliseconds. */
const LAST_WORDS = 500;

// biome-ignore lint/suspicious/noExplicitAny: the app's own bindings do not matter here
export type App = Hono<any>;

/** The addresses that a listener serves first; `unread` is called with requests that do not reach the app. */
export type Gate = Trust & { unread(unread: Unread): void };

/** All addresses are equal, and nothing is reported. */
const NO_GATE: Gate = { isTrusted: () => false, isOpen: true, unread() {} };

export type ListenOptions = Partial<typeof TIMES & ConnectionLimits> & { gate?: Gate; log?: Pick<Log, "warn"> };

export type Listener = {
  host: string;
  port: number;
  /** From now on this app answers new requests. */
  serve(app: App, gate?: Gate): void;
  /** Uses this certificate for new connections, on a listener with TLS. True when it differs from the one before. */
  renewTls(pair: TlsPair): boolean;
  /**
   * Takes no new connections but those that wait in the kernel; with a socket from systemd these wait for the next process.
   * Resolves when all requests are answered: those that wait after `grace` milliseconds with 503; what is half-way then is cut off.
   */
  close(grace: number): Promise<void>;
};

/** Where to listen: an address, or the file descriptor of a listening socket (sd_listen_fds(3)). */
export type Place = { host: string; port: number } | { fd: number };

/** An error as every listener answers it: `{"error":{"code","message",…}}`, with the status of `errorTable`. */
export function errorAnswer(
  code: ErrorCode,
  message: string,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Response {
  const { status } = errorTable[code];
  if (status === 503) headers["retry-after"] = RETRY_AFTER;
  // The unread rest of a body must not be taken for the next request; refused senders are disconnected.
  if (status === 413 || status === 408 || status === 403) headers.connection = "close";
  return Response.json({ error: { code, message, ...more } }, { status, headers });
}

/** Why the body of a request was not received to its end, where that is known. */
const breaks = new WeakMap<IncomingMessage, string>();
export function whyBroken(request: IncomingMessage): string {
  return breaks.get(request) ?? "the connection ended before the body was complete";
}

/** Serves an app over HTTP, or HTTPS where certificate and key are given. Port 0 picks one. */
export async function listen(
  app: App,
  at: Place & { tls: TlsFiles | null },
  clock: Clock,
  { gate = NO_GATE, log = { warn() {} }, ...given }: ListenOptions = {},
): Promise<Listener> {
  let current = app;
  const waiting = createWaiting(() => errorAnswer("store_unavailable", "the relay is stopping; send it again"));
  let pair = at.tls && readTls(at.tls);
  const options = { ...TIMES, ...limitsHere(log), ...given };
  const limits = {
    // Late requests are found by createConnections.
    ...{ headersTimeout: 0, requestTimeout: 0, keepAliveTimeout: options.keepAlive },
    // The routes need only the path.
    ...{ maxHeaderSize: MAX_HEADERS, requireHostHeader: false },
  };
  const server = createAdaptorServer({
    fetch: (request, env) => waiting.add(current.fetch(request, env)),
    ...(at.tls
      ? {
          createServer: createHttpsServer,
          serverOptions: { ...limits, ...pair },
        }
      : { createServer: createHttpServer, serverOptions: limits }),
  }) as Server & { setSecureContext?(pair: TlsPair): void };
  // The head is limited in bytes. A limit of the count would drop the last headers, X-Forwarded-For among them.
  server.maxHeadersCount = 0;
  server.maxConnections = options.atMost;
  const connections = createConnections({
    ...{ limits: options, every: options.connectionsCheckingInterval, trust: gate, clock, log },
    onLate: (socket) => refuse(socket, describeLate(options), connections.hasBegun(socket)),
  });
  server.on("drop", (dropped) => connections.dropped(dropped?.remoteAddress ?? "unknown"));
  // Includes connections in their TLS handshake, which the HTTP server does not count.
  let taken = 0;
  server.on("connection", (socket: Socket) => {
    taken++;
    connections.add(socket);
  });
  server.on("secureConnection", (socket: Socket) => connections.secured(socket));

  const refused = new WeakSet<Socket>();
  /** Answers what has not reached a route, and reports it once per connection. */
  function refuse(socket: Socket, refusal: Omit<Unread, "address">, isReported = true): void {
    const receiving = connections.receiving(socket);
    if (!refused.has(socket)) {
      if (receiving !== null) breaks.set(receiving, refusal.why);
      else if (isReported) gate.unread({ ...refusal, address: connections.addressOf(socket) });
    }
    refused.add(socket);
    answerUnread(socket, refusal);
  }
  server.on("clientError", (error: ClientError, socket: Socket) => {
    // The end of a connection between two requests is no refused request.
    const isReported = /^(HPE|ERR_SSL)_/.test(error.code ?? "") || connections.hasBegun(socket);
    refuse(socket, describeClientError(error, MAX_HEADERS), isReported);
  });
  // After a blocked event loop timers run before sockets are read: only a connection without new bytes is idle.
  server.on("timeout", (socket: Socket) => {
    const read = socket.bytesRead;
    afterReads(() => socket.bytesRead === read && socket.destroy());
  });
  server.on("connect", (_, socket) => {
    // Node has removed its own listener: without one a reset by the client would end the process.
    socket.on("error", () => {});
    const message = "CONNECT is not taken here: this is no proxy";
    refuse(socket as Socket, { code: "bad_request", message, why: message, body: null });
  });
  // An unknown `Expect` must not lose an event; Node would answer 417.
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  let closing = false;
  /** Answers that are under way. */
  const answers = new Set<ServerResponse>();
  /** Says that the connection ends with this answer, so that the client sends nothing more on it. */
  const setLast = (response: ServerResponse) => !response.headersSent && response.setHeader("connection", "close");
  const [answer] = server.listeners("request");
  server.removeAllListeners("request");
  server.on("request", (request: IncomingMessage, response) => {
    if (!connections.begun(request, response)) return;
    normaliseTarget(request);
    if (closing) setLast(response);
    answers.add(response);
    response.once("close", () => answers.delete(response));
    answer!.call(server, request, response);
  });
  const where = "fd" in at ? "the socket that was handed over" : `${at.host}:${at.port}`;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      connections.stop();
      reject(new RelayError("unsupported", `cannot listen on ${where}: ${whyNot(error)}`, { cause: error }));
    });
    server.listen({ ...("fd" in at ? { fd: at.fd } : { host: at.host, port: at.port }), backlog: BACKLOG }, resolve);
  });
  const bound = server.address() as AddressInfo | string | null;
  if (bound === null || typeof bound === "string") {
    connections.stop();
    server.close();
    throw new RelayError("unsupported", `cannot listen on ${where}: it is no TCP socket that listens`);
  }
  const { address, port } = bound;
  return {
    host: address,
    port,
    serve(next, nextGate = gate) {
      current = next;
      gate = nextGate;
      connections.setTrust(gate);
    },
    renewTls(next) {
      const isOther = pair !== null && !(next.cert.equals(pair.cert) && next.key.equals(pair.key));
      pair = next;
      server.setSecureContext?.(next);
      return isOther;
    },
    async close(grace) {
      closing = true;
      // Also those under way: after its close Deno ends a connection with the answer, whatever that says.
      for (const response of answers) setLast(response);
      // Repeatedly: answers that are under way end later.
      const cancelIdle = every(IDLE_AGAIN, clock, connections.closeIdle, { first: Math.min(IDLE_GRACE, grace) });
      let cancel = clock.after(grace, () => {
        waiting.giveUp();
        cancel = clock.after(LAST_WORDS, connections.closeAll);
      });
      if (!("fd" in at)) await takeAll(() => taken, clock, grace / 2);
      await new Promise<void>((resolve) => {
        // The HTTP server's own close ends idle connections at once, also those on which a request is on its way.
        NetServer.prototype.close.call(server, () => resolve());
      });
      cancelIdle();
      cancel();
      connections.stop();
      server.close();
    },
  };
}

/** The limits of connections, within the limit of open files. */
function limitsHere(log: Pick<Log, "warn">): ConnectionLimits {
  const { connections, strangers: forStrangers, deliveries } = shareOpenFiles();
  if (forStrangers >= CONNECTIONS.forStrangers) return CONNECTIONS;
  const advice = "raise it (LimitNOFILE= of the unit, ulimit -n)";
  log.warn("few files may be open at once, so fewer connections are taken and made", {
    ...{ limit: openFilesLimit(), connections, forStrangers, deliveries, advice },
  });
  return { ...CONNECTIONS, forStrangers, atMost: Math.min(CONNECTIONS.atMost, connections) };
}

/** Accepts any Host, a target in absolute form, and characters that no URL has. */
function normaliseTarget(request: IncomingMessage): void {
  request.headers.host = "relay";
  const target = (request.url ?? "").replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, "").replaceAll("\\", "%5C");
  request.url = target.startsWith("/") ? target : `/${target}`;
}

/** Answers with the relay's own error instead of Node's (nodejs.org/api/http.html#event-clienterror). */
function answerUnread(
  socket: Socket & { _httpMessage?: ServerResponse | null },
  { code, message }: Pick<Unread, "code" | "message">,
): void {
  const answering = socket._httpMessage;
  // A complete request came before: its answer is the last on this connection.
  if (answering?.req.complete && !answering.headersSent) {
    answering.shouldKeepAlive = false;
    return;
  }
  // As in Node's own handler: nothing is written into an answer that has begun.
  if (!socket.writable || answering?.headersSent) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify({ error: { code, message } });
  const { status } = errorTable[code];
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Why a listener cannot be opened, and what to do. */
function whyNot(error: Error): string {
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return "another program has this port (EADDRINUSE): see which (ss -ltnp), or choose another address";
    case "EADDRNOTAVAIL":
      return "this machine does not have this address (EADDRNOTAVAIL); 0.0.0.0 stands for all of its own";
    case "EACCES":
      return "ports below 1024 need a right (EACCES): use another port, or the socket of systemd";
    default:
      return errorLine(error);
  }
}
