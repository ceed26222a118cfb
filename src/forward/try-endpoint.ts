import { Buffer } from "node:buffer";
import type { Endpoint } from "../config/schema.ts";
import type { Attempt } from "../model/delivery.ts";
import { openOutbound } from "../platform/net/outbound.ts";
import type { Ports } from "../ports.ts";
import { createSend } from "./send.ts";

/**
 * Sends an endpoint a signed message of type `relay.test`, which stands for no event, and resolves with what came of it. It is
 * sent whatever the endpoint's pauses and breaker say, and changes nothing in the store. `connectTimeout` in milliseconds.
 */
export async function tryEndpoint(
  endpoint: Endpoint,
  { clock, random }: Pick<Ports, "clock" | "random">,
  { userAgent, connectTimeout }: { userAgent: string; connectTimeout: number },
): Promise<Attempt> {
  const { allowPrivateAddresses, tls } = endpoint;
  const outbound = openOutbound({ allowPrivateAddresses, connectTimeout, tls });
  const id = `msg_test_${Buffer.from(random.bytes(12)).toString("hex")}`;
  const relay = { aboutEventId: null, at: new Date(clock.now()).toISOString(), reason: "a test by the operator" };
  const body = Buffer.from(JSON.stringify({ type: "relay.test", wochitVideoId: null, videoContext: null, relay }));
  try {
    const send = createSend(endpoint, { outbound, clock, userAgent });
    return (await send({ id, body, attempt: 1 }, new AbortController().signal)).attempt;
  } finally {
    await outbound.close();
  }
}
