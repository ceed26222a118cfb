import { readFileSync } from "node:fs";
import { Agent, request } from "undici";
import { decodeSecret } from "../../../src/config/webhook-secret.ts";
import { createSigner } from "../../../src/forward/signature.ts";
import { readSettings, reportReady } from "../child.ts";

/** The least that can be called a signed delivery: a loop that signs and posts the bodies of a file, and stores nothing. */

const { url, file, secret, concurrency } = readSettings<ForwardSettings>();
export type ForwardSettings = { url: string; file: string; secret: string; concurrency: number };

const sign = createSigner([decodeSecret(secret)]);
const bodies = (JSON.parse(readFileSync(file, "utf8")) as string[]).map((body) => Buffer.from(body));
const dispatcher = new Agent({ connections: concurrency });

async function post(body: Buffer, at: number): Promise<void> {
  const id = `msg_${at}`;
  const timestamp = Math.floor(Date.now() / 1000);
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": sign(id, timestamp, body),
  };
  const answer = await request(url, { method: "POST", headers, body, dispatcher });
  await answer.body.dump();
  if (answer.statusCode !== 200) throw new Error(`HTTP ${answer.statusCode}`);
}

async function postAll(): Promise<number> {
  let next = 0;
  const loop = async () => {
    while (next < bodies.length) {
      const at = next++;
      await post(bodies[at]!, at);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  return performance.timeOrigin + performance.now();
}

reportReady({ ready: {}, answers: { run: postAll } });
