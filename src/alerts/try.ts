import { Buffer } from "node:buffer";
import { type AlertsConfig, HEARTBEAT } from "../config/schema.ts";
import type { TriedReceiver } from "../model/alert.ts";
import type { Ports } from "../ports.ts";
import { createSender } from "./send.ts";
import { testMessage } from "./words.ts";

/** For a mail, in milliseconds: a person waits for what came of it. */
const MAIL_TIMEOUT = 30_000;

/**
 * Sends each of these a message that stands for no alarm, and a heartbeat, and resolves with what came of it. `relay`: how the
 * relay is reached.
 */
export async function tryReceivers(
  { to, heartbeat }: AlertsConfig,
  { clock, random }: Pick<Ports, "clock" | "random">,
  { userAgent, relay }: { userAgent: string; relay: string },
): Promise<TriedReceiver[]> {
  const sender = createSender({ clock, userAgent, mailTimeout: MAIL_TIMEOUT });
  const message = testMessage(Buffer.from(random.bytes(16)).toString("hex"), { relay, at: clock.now() });
  const tried = to.map((one) => attempt(one, () => sender.send(one, message)));
  if (heartbeat !== null) {
    const { url } = heartbeat;
    tried.push(attempt({ id: HEARTBEAT, name: null, place: new URL(url).host }, () => sender.get(url)));
  }
  return Promise.all(tried).finally(() => sender.close());

  async function attempt(
    { id, name, place }: { id: string; name: string | null; place: string },
    ask: () => Promise<string | null>,
  ): Promise<TriedReceiver> {
    const begun = clock.elapsed();
    const error = await ask();
    return { receiver: id, name, place, error, ms: Math.round(clock.elapsed() - begun) };
  }
}
