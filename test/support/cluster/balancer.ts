import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { listen } from "../listen.ts";

/** A load balancer in front of some relays of 127.0.0.1. */
export type Balancer = {
  url: string;
  port: number;
  /** Whether the relay of a port takes events. */
  isUp(port: number): boolean;
  /** Requests that were passed on; and those that a relay left without an answer. */
  counts: { passed: number; broken: number };
  close(): Promise<void>;
};

/** How often each relay is asked whether it takes events, and how long a request waits for one that does. Milliseconds. */
const ASK_EVERY = 250;
const PATIENCE = 20_000;

type Backend = { port: number; isUp: boolean; underWay: number };

/**
 * Passes each request on to the relay that has the fewest under way, of those whose `/readyz` says that they take events.
 * None is sent twice: where a relay breaks off, so does this. What a relay's port has refused no relay has seen: that goes to
 * another one. Each request has a connection of its own, so that none meets one that the relay is about to close.
 */
export async function openBalancer(ports: number[]): Promise<Balancer> {
  const backends = ports.map((port): Backend => ({ port, isUp: false, underWay: 0 }));
  const counts = { passed: 0, broken: 0 };
  let isOver = false;

  const asking = backends.map(async (backend) => {
    for (; !isOver; await sleep(ASK_EVERY)) backend.isUp = await isReady(backend.port);
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the client has left
    }
    const body = Buffer.concat(chunks);
    for (const until = performance.now() + PATIENCE; performance.now() < until && !isOver; ) {
      const backend = leastBusy();
      if (backend === null) {
        await sleep(10);
        continue;
      }
      backend.underWay++;
      const how = await pass(backend, request, body, response);
      backend.underWay--;
      if (how !== "refused") {
        counts[how]++;
        return;
      }
      backend.isUp = false;
    }
    response.writeHead(503).end("no relay takes requests");
  }

  let turn = 0;
  /** Equal ones in turn. */
  function leastBusy(): Backend | null {
    turn++;
    const up = backends.map((_, at) => backends[(at + turn) % backends.length]!).filter(({ isUp }) => isUp);
    return up.toSorted((one, other) => one.underWay - other.underWay)[0] ?? null;
  }

  const server = createServer((request, response) => void handle(request, response));
  const { port, url, close } = await listen(null, server);
  return {
    ...{ port, url, counts },
    isUp: (of) => backends.some((backend) => backend.port === of && backend.isUp),
    async close() {
      isOver = true;
      await close();
      await Promise.all(asking);
    },
  };
}

function pass(
  { port }: Backend,
  { method, url, headers, socket }: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): Promise<"passed" | "broken" | "refused"> {
  return new Promise((resolve) => {
    const forwarded = { ...headers, connection: "close", "x-forwarded-for": socket.remoteAddress };
    const passed = httpRequest({ host: "127.0.0.1", port, method, path: url, headers: forwarded, agent: false });
    const breakOff = () => {
      response.destroy();
      resolve("broken");
    };
    passed.on("response", (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.on("error", breakOff);
      answer.on("end", () => resolve("passed"));
      answer.pipe(response);
    });
    passed.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") resolve("refused");
      else breakOff();
    });
    response.on("close", () => {
      if (!response.writableFinished) passed.destroy();
    });
    passed.end(body);
  });
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = httpRequest({ port, host: "127.0.0.1", path: "/readyz", agent: false, timeout: 2_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(false));
    asked.end();
  });
}
