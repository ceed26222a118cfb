import { Webhook } from "standardwebhooks";
import { Agent, request } from "undici";

/** What every rig does with an event: sign it by the official library, post it, and take a 2xx for success. */

/** How many deliveries are under way at once: the relay's own default for an endpoint. */
export const CONCURRENCY = 8;

/** The relay's own schedule of repeated attempts, in milliseconds. */
export const RETRY = [5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 86400].map((s) => s * 1000);

const TIMEOUT = 15_000;

/** Returns what posts one event to an app. It rejects where the answer is no 2xx. */
export function createDelivery({ app, secret }) {
  const webhook = new Webhook(secret);
  const dispatcher = new Agent({ connections: CONCURRENCY });
  return async ({ id, body }) => {
    const at = new Date();
    const headers = {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
      "webhook-signature": webhook.sign(id, at, body),
    };
    const limits = { headersTimeout: TIMEOUT, bodyTimeout: TIMEOUT };
    const answer = await request(app, { method: "POST", headers, body, dispatcher, ...limits });
    await answer.body.dump();
    if (answer.statusCode < 200 || answer.statusCode > 299) throw new Error(`HTTP ${answer.statusCode}`);
  };
}
