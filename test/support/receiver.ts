import { createServer, type IncomingHttpHeaders } from "node:http";
import { listen } from "./listen.ts";

/** A request as it came in. */
export type Received = {
  at: number;
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** The raw bytes. */
  body: Buffer;
  /** The body read as JSON; undefined where it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they like
  json: any;
};

/** What to answer: a status, or all of it. "hang" never answers, "reset" breaks the connection. */
export type Reply =
  | number
  | { status: number; headers?: Record<string, string>; body?: string; delay?: number }
  | "hang"
  | "reset";

export type Receiver = {
  url: string;
  port: number;
  /** Everything that came in, in order of arrival, each recorded when its body was complete. */
  requests: Received[];
  /** How to answer from now on. `nth` is the request's place in `requests`. */
  answer(how: Reply | ((request: Received, nth: number) => Reply)): void;
  /** How many connections were made to it. */
  connections(): number;
  close(): Promise<void>;
};

/** An application that receives webhooks: records everything, answers 200 unless told otherwise. */
export async function openReceiver(
  first: Reply | ((request: Received, nth: number) => Reply) = 200,
): Promise<Receiver> {
  let how = first;
  const requests: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the sender went away in the middle
    }
    const body = Buffer.concat(chunks);
    const received: Received = {
      at: Date.now(),
      method: request.method ?? "",
      path: request.url ?? "",
      headers: request.headers,
      body,
      json: readJson(body),
    };
    const nth = requests.push(received) - 1;
    const reply = typeof how === "function" ? how(received, nth) : how;
    if (reply === "hang") return;
    if (reply === "reset") {
      request.socket.destroy();
      return;
    }
    const { status, headers = {}, body: text = "", delay = 0 } = typeof reply === "number" ? { status: reply } : reply;
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    response.writeHead(status, headers).end(text);
  });
  let connections = 0;
  server.on("connection", () => connections++);
  return {
    ...(await listen(null, server)),
    requests,
    connections: () => connections,
    answer(next) {
      how = next;
    },
  };
}

function readJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
