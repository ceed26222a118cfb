import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { listen } from "./listen.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server of media with whatever faults `handler` has; gone after the test. */
export async function serve(t: TestContext, handler: Handler) {
  return (await listen(t, createServer(handler))).url;
}

/** A server that answers each request, given as text, with the bytes that `answer` writes; `asked` are the requests. */
export async function serveRaw(t: Pick<TestContext, "after">, answer: (request: string, socket: Socket) => void) {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      asked.push(text);
      answer(text, socket);
      text = "";
    });
  });
  return { origin: (await listen(t, server)).url, asked, sockets };
}
