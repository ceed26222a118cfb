import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import type { Clock } from "../domain.ts";
import { type ErrorCode, errorLine, errorTable, RelayError } from "../errors.ts";

/** A request must have sent its head within this long, all of itself within that (then 408). Milliseconds. */
const TIMEOUTS = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 1_000 };

/** Larger heads are answered 431. */
const MAX_HEADERS = 16 * 2 ** 10;

/** Connections beyond this many are not accepted: each costs memory, and the provider needs a handful. */
const MAX_CONNECTIONS = 4_096;

/** Seconds after which a refused sender may try again, in a 503. */
const RETRY_AFTER = "5";

export type Listener = {
  host: string;
  port: number;
  /** Takes no new requests; resolves when those under way are answered, or were cut off after `grace` milliseconds. */
  close(grace: number): Promise<void>;
};

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

/** Serves an app over HTTP, or HTTPS where certificate and key (PEM files) are given. Port 0 picks one. */
export async function listen(
  // biome-ignore lint/suspicious/noExplicitAny: the app's own bindings do not matter here
  app: Hono<any>,
  at: { host: string; port: number; tls: { cert: string; key: string } | null },
  clock: Clock,
  timeouts = TIMEOUTS,
): Promise<Listener> {
  const limits = { ...timeouts, maxHeaderSize: MAX_HEADERS, keepAliveTimeout: 65_000 };
  const server = createAdaptorServer({
    fetch: app.fetch,
    ...(at.tls
      ? { createServer: createHttpsServer, serverOptions: { ...limits, ...readTls(at.tls) } }
      : { createServer: createHttpServer, serverOptions: limits }),
  }) as Server;
  server.maxConnections = MAX_CONNECTIONS;
  server.on("clientError", answerClientError);
  // An expectation that nobody knows of is no reason to lose an event (Node would answer 417 by itself).
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  let closing = false;
  server.prependListener("request", (_: IncomingMessage, response) => {
    if (closing) response.setHeader("connection", "close");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new RelayError("unsupported", `cannot listen on ${at.host}:${at.port}: ${errorLine(error)}`)),
    );
    server.listen(at.port, at.host, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    host: address,
    port,
    async close(grace) {
      closing = true;
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeIdleConnections();
      const cancel = clock.after(grace, () => server.closeAllConnections());
      await closed;
      cancel();
    },
  };
}

function readTls({ cert, key }: { cert: string; key: string }) {
  try {
    return { cert: readFileSync(cert), key: readFileSync(key) };
  } catch (error) {
    throw new RelayError("config", `server.tls cannot be read: ${errorLine(error)}`);
  }
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
