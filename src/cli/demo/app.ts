import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { VerifyingKey } from "../../config/webhook-secret.ts";
import { type Verdict, verify } from "../../forward/signature.ts";
import type { Clock } from "../../ports.ts";

/** What the demo's application received, parsed and verified. */
export type Delivered = {
  /** webhook-id */
  id: string;
  verdict: Verdict;
  body: DeliveredBody;
};

/** The members of an enriched body that the demo reads (CONTRACT, "Enriched body"). */
export type DeliveredBody = {
  type?: string;
  wochitVideoId?: string;
  videoContext?: string;
  videoUrl?: string;
  thumbnailUrl?: string;
  relay?: {
    sequence?: number;
    contextFrom?: string | null;
    media?: Record<string, { status?: string; bytes?: number; sha256?: string; url?: string } | undefined>;
  };
};

export type DemoApp = Awaited<ReturnType<typeof openDemoApp>>;

/** An application such as a user would write: takes webhooks and answers 200 to those whose signature is right. */
export async function openDemoApp(keys: VerifyingKey[], clock: Clock) {
  const delivered: Delivered[] = [];
  const listeners = new Set<(delivered: Delivered) => void>();
  const server = createServer(async (request, response) => {
    const { headers } = request;
    const body = await buffer(request).catch(() => null);
    if (body === null) return;
    const verdict = verify({ headers, body, keys, now: clock.now() });
    const one = { id: String(headers["webhook-id"]), verdict, body: readBody(body) };
    delivered.push(one);
    response.writeHead(verdict.valid ? 200 : 401).end();
    for (const listener of listeners) listener(one);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Deliveries in order of arrival. */
    delivered,
    /** The delivery of this webhook-id, as soon as it is there. */
    delivery(id: string): Promise<Delivered> {
      const { promise, resolve } = Promise.withResolvers<Delivered>();
      const check = (one: Delivered) => {
        if (one.id === id) resolve(one);
      };
      delivered.forEach(check);
      listeners.add(check);
      return promise;
    },
    /** Calls back at each delivery from now on. */
    onDelivery(run: (delivered: Delivered) => void): void {
      listeners.add(run);
    },
    async close(): Promise<void> {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function readBody(body: Buffer): DeliveredBody {
  try {
    return JSON.parse(body.toString("utf8")) as DeliveredBody;
  } catch {
    return {};
  }
}
