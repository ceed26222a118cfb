import { Buffer } from "node:buffer";
import type { AlertReceiver } from "../config/schema.ts";
import type { TriedReceiver } from "../model/alert.ts";
import type { Ports } from "../ports.ts";
import { createSender } from "./send.ts";
import { testMessage } from "./words.ts";

/** For a mail, in milliseconds: a person waits for what came of it. */
const MAIL_TIMEOUT = 30_000;

/** Sends each of these a message that stands for no alarm, and resolves with what came of it. `relay`: how the relay is reached. */
export async function tryReceivers(
  to: AlertReceiver[],
  { clock, random }: Pick<Ports, "clock" | "random">,
  { userAgent, relay }: { userAgent: string; relay: string },
): Promise<TriedReceiver[]> {
  const sender = createSender({ clock, userAgent, mailTimeout: MAIL_TIMEOUT });
  const message = testMessage(Buffer.from(random.bytes(16)).toString("hex"), { relay, at: clock.now() });
  const tried = to.map(async (receiver) => {
    const begun = clock.elapsed();
    const error = await sender.send(receiver, message);
    return { receiver: receiver.id, place: receiver.place, error, ms: Math.round(clock.elapsed() - begun) };
  });
  return Promise.all(tried).finally(() => sender.close());
}
