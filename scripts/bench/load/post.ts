import { Agent, request } from "undici";
import { bodyTemplate, fillBody, spreadId } from "./bodies.ts";

/** Each run posts ids of its own. */
let runs = Date.now() % 2 ** 20;

/** Posts an event; the answer must be a 200. */
export async function postEvent(url: string, body: string, dispatcher: Agent): Promise<void> {
  const headers = { "content-type": "application/json" };
  const answer = await request(url, { method: "POST", headers, body, dispatcher });
  await answer.body.dump();
  if (answer.statusCode !== 200) throw new Error(`HTTP ${answer.statusCode}`);
}

/** Posts a number of events, each of a video of its own, over that many connections, and waits for every answer. */
export async function postCount(url: string, events: number, connections = 64): Promise<void> {
  const template = bodyTemplate();
  const dispatcher = new Agent({ connections, pipelining: 1 });
  const run = ++runs;
  let next = 0;
  const loop = async () => {
    while (next < events) await postEvent(url, fillBody(template, spreadId(run, next++)), dispatcher);
  };
  try {
    await Promise.all(Array.from({ length: connections }, loop));
  } finally {
    await dispatcher.close();
  }
}
