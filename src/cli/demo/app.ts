import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type Verdict, verify } from "../../forward/signature.ts";
import type { Clock } from "../../ports.ts";

/** What the demo's application got, read and judged. */
export type Delivered = {
  /** webhook-id */
  id: string;
  verdict: Verdict;
  body: DeliveredBody;
};

/** The members of an enriched body that the demo looks at (CONTRACT, "Enriched body"). */
export type DeliveredBody = {
  type?: string;
  wochitVideoId?: string;
  videoContext?: string;
  videoUrl?: string;
  thumbnailUrl?: string;
  relay?: {
    sequence?: number;
    dialect?: string;
    contextFrom?: string | null;
    media?: Record<string, { status?: string; bytes?: number; sha256?: string; url?: string } | undefined>;
  };
};

export type DemoApp = {
  url: string;
  /** Deliveries in order of arrival. */
  delivered: Delivered[];
  /** The delivery of this webhook-id, as soon as it is there. */
  delivery(id: string): Promise<Delivered>;
  /** Calls back at each delivery from now on. */
  onDelivery(run: (delivered: Delivered) => void): void;
  close(): Promise<void>;
};

/** An application such as a user would write: takes webhooks and answers 200 to those whose signature is right. */
export async function openDemoApp(keys: Uint8Array[], clock: Clock): Promise<DemoApp> {
  const delivered: Delivered[] = [];
  const listeners = new Set<(delivered: Delivered) => void>();
  const server = createServer(async (request, response) => {
    const body = await readAll(request).catch(() => null);
    if (body === null) return;
    const verdict = verify({ headers: request.headers, body, keys, now: clock.now() });
    const one = { id: String(request.headers["webhook-id"]), verdict, body: readBody(body) };
    delivered.push(one);
    response.writeHead(verdict.valid ? 200 : 401).end();
    for (const listener of [...listeners]) listener(one);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    delivered,
    delivery(id) {
      const there = delivered.find((one) => one.id === id);
      if (there !== undefined) return Promise.resolve(there);
      return new Promise((resolve) => {
        listeners.add(function wait(one) {
          if (one.id !== id) return;
          listeners.delete(wait);
          resolve(one);
        });
      });
    },
    onDelivery: (run) => void listeners.add(run),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function readBody(body: Buffer): DeliveredBody {
  try {
    return JSON.parse(body.toString("utf8")) as DeliveredBody;
  } catch {
    return {};
  }
}
