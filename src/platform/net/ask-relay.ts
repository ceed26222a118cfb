import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

/** The longest answer, in bytes. */
const LONGEST = 64 * 2 ** 10;

/** The `Date` of a server's answer, whatever its status; null without one. Rejects with the network's error. */
export async function readDate(url: URL, signal: AbortSignal): Promise<string | null> {
  const response = await ask("HEAD", url, signal);
  // Some servers send a body to HEAD.
  response.on("error", () => {});
  response.destroy();
  return response.headers.date ?? null;
}

/** The answer of a relay on this machine. Rejects with the network's error. */
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

/** A request without credentials. The caller reads the body or destroys it. */
function ask(method: "GET" | "HEAD", url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const isTls = url.protocol === "https:";
  return new Promise((resolve, reject) => {
    // Nothing secret is sent, and the answer is not relied on. The certificate is judged elsewhere.
    const options = { method, agent: false, signal, ...(isTls ? { rejectUnauthorized: false } : {}) };
    const asked = (isTls ? requestHttps : requestHttp)(url, options, resolve);
    asked.on("error", reject);
    asked.end();
  });
}
