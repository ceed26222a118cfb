import type { AlertReceiver } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import { requestTo } from "../message/headers.ts";
import type { Alert } from "../model/alert.ts";
import { CONNECT_TIMEOUT, openOutbound } from "../platform/net/outbound.ts";
import { abortAfter } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import { messageOf } from "./words.ts";

/** For an answer, and for the rest of its body, in milliseconds; of that body this many bytes are read. */
const TIMEOUT = 15_000;
const READ_FOR = 1_000;
const READ = 65_536;

export type Sender = {
  /** Sends one message; resolves with null once it was taken with a 2xx, else with why it was not. No secret is in that. */
  send(receiver: Pick<AlertReceiver, "url" | "format">, alerts: Alert[], relay: string): Promise<string | null>;
  /** GETs an address, in the same way. */
  get(url: string): Promise<string | null>;
  close(): Promise<void>;
};

/** As for endpoints, the operator has named the addresses, in a private network too; those of metadata services are refused. */
export function createSender({ clock, userAgent }: { clock: Clock; userAgent: string }): Sender {
  const outbound = openOutbound({ allowPrivateAddresses: true, connectTimeout: CONNECT_TIMEOUT });
  const stopped = new AbortController();

  async function judge(
    given: string,
    ask: (signal: AbortSignal) => Promise<{ status: number }>,
  ): Promise<string | null> {
    try {
      const { status } = await abortAfter(TIMEOUT, clock, ask, { signal: stopped.signal });
      return status >= 200 && status <= 299 ? null : `HTTP ${status}`;
    } catch (error) {
      return withoutUrl(errorLine(error), given);
    }
  }

  return {
    send: (receiver, alerts, relay) =>
      judge(receiver.url, (signal) => {
        const message = messageOf(receiver.format, alerts, { relay, at: clock.now() });
        const { url, headers } = requestTo({ url: receiver.url, headers: message.headers }, userAgent);
        return outbound.exchange(url, {
          ...{ headers: { ...headers, ...message.headers }, body: message.body, signal },
          ...{ headersTimeout: TIMEOUT, bodyTimeout: TIMEOUT },
          reading: { keep: 0, most: READ, limit: (giveUp) => clock.after(READ_FOR, giveUp) },
        });
      }),
    get: (given) =>
      judge(given, async (signal) => {
        const { url, headers } = requestTo({ url: given, headers: {} }, userAgent);
        const limits = { headersTimeout: TIMEOUT, bodyTimeout: TIMEOUT };
        const answer = await outbound.request(url, { method: "GET", headers, signal, ...limits });
        answer.body.destroy();
        return answer;
      }),
    close() {
      stopped.abort(new Error("the relay stops"));
      return outbound.close();
    },
  };
}

/** The path of a webhook is its secret. */
function withoutUrl(line: string, given: string): string {
  const { pathname, search, username, password } = new URL(given);
  const hidden = [given, pathname, search, username, password].filter((part) => part.length > 1);
  return hidden.reduce((text, part) => text.replaceAll(part, "(set)"), line);
}
