import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { Webhook } from "standardwebhooks";
import { listen } from "../listen.ts";

/** A delivery: what of it is needed to compare it with what was sent. */
export type Delivered = { videoId: unknown; body: Buffer | null; json: Record<string, unknown> };

export type App = {
  url: string;
  /** By webhook-id; bodies are kept of the first ones only, until `keepAll`. */
  delivered: Map<string, Delivered>;
  /** From now on every body is kept. */
  keepAll(): void;
  problems: string[];
  close(): Promise<void>;
};

const KEPT_BODIES = 4_000;
const LARGEST_KEPT = 8_000;

/** An application that verifies every signature and reads every body as JSON. */
export async function openApp(secret: string): Promise<App> {
  const webhook = new Webhook(secret);
  const delivered = new Map<string, Delivered>();
  const problems: string[] = [];
  let kept = 0;
  let keepsAll = false;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks);
    const id = String(request.headers["webhook-id"]);
    try {
      const json = webhook.verify(body, request.headers as Record<string, string>) as Record<string, unknown>;
      const isKept = keepsAll || (body.length <= LARGEST_KEPT && kept++ < KEPT_BODIES);
      delivered.set(id, { videoId: json.wochitVideoId, body: isKept ? body : null, json: isKept ? json : {} });
    } catch (error) {
      problems.push(
        `delivery ${id} cannot be verified and read: ${(error as Error).message}: ${body.toString().slice(0, 300)}`,
      );
    }
    response.writeHead(200).end();
  });
  const { url, close } = await listen(null, server);
  return {
    url: `${url}/app`,
    delivered,
    problems,
    keepAll() {
      keepsAll = true;
    },
    close,
  };
}

/** A port that nobody may call: hostile links lead there. */
export async function openTrap(): Promise<{ port: number; calls: () => number; close(): Promise<void> }> {
  let calls = 0;
  const server = createTcpServer((socket) => {
    calls++;
    socket.destroy();
  });
  return { ...(await listen(null, server)), calls: () => calls };
}
