import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

/** No answer that is asked for here is longer. */
const LONGEST = 64 * 2 ** 10;

/** The `Date` of whatever a server answers, redirects and refusals too; null: it told none. Rejects with the network's error. */
export async function readDate(url: URL, signal: AbortSignal): Promise<string | null> {
  const response = await ask("HEAD", url, signal);
  // Some servers send a body even so, which is none of our business.
  response.on("error", () => {});
  response.destroy();
  return response.headers.date ?? null;
}

/** What a relay answers on this machine. Rejects with the network's error. */
export async function askRelay(url: URL, signal: AbortSignal): Promise<{ status: number; body: string }> {
  const response = await ask("GET", url, signal);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > LONGEST) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() };
}

/** A request without credentials. Whoever asks reads the body or destroys it. */
function ask(method: "GET" | "HEAD", url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const isTls = url.protocol === "https:";
  return new Promise((resolve, reject) => {
    // Nothing secret is sent and nothing that is answered is relied on: the certificate is judged elsewhere, by its name.
    const options = { method, agent: false, signal, ...(isTls ? { rejectUnauthorized: false } : {}) };
    const asked = (isTls ? requestHttps : requestHttp)(url, options, resolve);
    asked.on("error", reject);
    asked.end();
  });
}
