import { createServer, type IncomingHttpHeaders } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../../src/ports.ts";
import { listen } from "../listen.ts";
import { type Name, type Place, type Secret, STEPS, stepOf } from "./secrets.ts";

/** An endpoint, and what its consumer has seen. */
export type Consumer = {
  id: string;
  place: Place;
  secrets: Record<Name, Secret>;
  /** What it accepts now. */
  accepts: Name[];
  /** Whether it can have one secret only, and changes it in one moment. */
  hasOne: boolean;
  /** Serials of the events that it has taken. */
  taken: Set<number>;
  /** How many messages were signed as at each step. */
  bySteps: number[];
  counts: { requests: number; rejected: number; refusedOnPurpose: number; repeated: number };
  /** The last sequence of each video. */
  sequences: Map<string, number>;
};

/** How often a consumer is out of order for one request, and slow; and how slow at most, in milliseconds. */
const OUT_OF_ORDER = 0.03;
const SLOW = 0.05;
const SLOWEST = 150;

/**
 * The consumers of all endpoints, at /<id>: each verifies with the secrets that it accepts at the moment, and answers 401 to what
 * none of them fits. Some requests are answered late, and some 503 though they were good.
 */
export async function openConsumers(
  consumers: Consumer[],
  parts: { random: Random; stepAt(serial: number): number; problems: string[] },
) {
  const { random, problems } = parts;
  const byId = new Map(consumers.map((consumer) => [consumer.id, consumer]));

  function take(consumer: Consumer, headers: Record<string, string>, body: Buffer): number {
    const { counts } = consumer;
    counts.requests++;
    if (!consumer.accepts.some((name) => isGood(consumer.secrets[name], body, headers))) {
      counts.rejected++;
      problems.push(
        `${consumer.id}: ${headers["webhook-id"]}, attempt ${headers["webhook-attempt"]}, rejected by ${consumer.accepts}`,
      );
      return 401;
    }
    const { title, wochitVideoId, relay } = JSON.parse(body.toString());
    const serial = Number(title.slice(1));
    const step = stepOf(consumer, {
      id: headers["webhook-id"]!,
      timestamp: headers["webhook-timestamp"]!,
      signature: headers["webhook-signature"]!,
      body,
    });
    if (step === -1) problems.push(`${consumer.id}: event ${serial} is signed as at no step`);
    else consumer.bySteps[step] = (consumer.bySteps[step] ?? 0) + 1;
    if (step < parts.stepAt(serial))
      problems.push(`${consumer.id}: event ${serial} came after step ${parts.stepAt(serial)}, signed as at ${step}`);
    if (random.float() < OUT_OF_ORDER) {
      counts.refusedOnPurpose++;
      return 503;
    }
    if (consumer.taken.has(serial)) counts.repeated++;
    else if (relay.sequence < (consumer.sequences.get(wochitVideoId) ?? 0))
      problems.push(`${consumer.id}: event ${serial} came out of its order`);
    consumer.taken.add(serial);
    consumer.sequences.set(wochitVideoId, relay.sequence);
    return 204;
  }

  const server = createServer(async (request, response) => {
    try {
      const body = Buffer.concat(await request.toArray());
      const consumer = byId.get(request.url!.slice(1))!;
      const status = take(consumer, textsOf(request.headers), body);
      if (random.float() < SLOW) await sleep(random.float() * SLOWEST);
      response.writeHead(status).end();
    } catch (error) {
      problems.push(`a request was not read: ${(error as Error).message}`);
      response.destroy();
    }
  });
  return listen(null, server);
}

export function newConsumer(given: Pick<Consumer, "id" | "place" | "secrets" | "hasOne">): Consumer {
  return {
    ...given,
    accepts: ["A"],
    taken: new Set(),
    bySteps: STEPS.map(() => 0),
    counts: { requests: 0, rejected: 0, refusedOnPurpose: 0, repeated: 0 },
    sequences: new Map(),
  };
}

function isGood(secret: Secret, body: Buffer, headers: Record<string, string>): boolean {
  try {
    secret.verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

function textsOf(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
