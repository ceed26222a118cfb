import { request } from "undici";
import type { Clock } from "../ports.ts";

/** Milliseconds without a byte of the answer. */
const TIMEOUT = 30_000;

export type Sent = {
  status: number;
  /** The answer, where it was JSON; else its text. */
  json: unknown;
  /** From the first byte out to the last byte in. */
  ms: number;
};

/**
 * Posts a webhook as the provider does. Rejects with the network's error, or after 30 s without a byte of the answer; the
 * signal ends it early.
 */
export async function sendEvent(
  url: string,
  body: Uint8Array,
  { clock, signal }: { clock: Clock; signal?: AbortSignal },
): Promise<Sent> {
  const from = clock.elapsed();
  const answer = await request(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    headersTimeout: TIMEOUT,
    bodyTimeout: TIMEOUT,
    signal,
    // A connection of its own: a kept one may have been closed under the request, which no provider would send again.
    reset: true,
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, json: readJson(text), ms: clock.elapsed() - from };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
