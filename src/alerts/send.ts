import type { AlertReceiver, MailReceiver, WebhookReceiver } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import { requestTo } from "../message/headers.ts";
import { CONNECT_TIMEOUT, openOutbound } from "../platform/net/outbound.ts";
import { sendMail } from "../platform/net/smtp.ts";
import { abortAfter } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import { bodyOf, type Message, mailOf } from "./words.ts";

/** For an answer, and for the rest of its body, in milliseconds; of that body this many bytes are read. */
const TIMEOUT = 15_000;
const READ_FOR = 1_000;
const READ = 65_536;

/**
 * For a mail, in milliseconds: RFC 5321 lets a server think for ten minutes before it says that it has taken one. A mail that is
 * given up before is sent again, and comes twice.
 */
const MAIL_TIMEOUT = 10 * 60_000;

export type Sender = {
  /** Sends one message; resolves with null once it was taken, else with why it was not. No secret is in that. */
  send(receiver: AlertReceiver, message: Message): Promise<string | null>;
  /** GETs an address, in the same way. */
  get(url: string): Promise<string | null>;
  close(): Promise<void>;
};

/** How long sending a message may take, in milliseconds. */
export const longestSend = ({ format }: AlertReceiver) => (format === "mail" ? MAIL_TIMEOUT : TIMEOUT);

/**
 * As for endpoints, the operator has named the addresses, in a private network too; those of metadata services are refused.
 * `mailTimeout`: for a mail, where a person waits for the answer; milliseconds.
 */
export function createSender({
  clock,
  userAgent,
  mailTimeout = MAIL_TIMEOUT,
}: {
  clock: Clock;
  userAgent: string;
  mailTimeout?: number;
}): Sender {
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

  const post = ({ url: given, format }: WebhookReceiver, message: Message) =>
    judge(given, (signal) => {
      const { body, headers: own } = bodyOf(format, message);
      const { url, headers } = requestTo({ url: given, headers: own }, userAgent);
      return outbound.exchange(url, {
        ...{ headers: { ...headers, ...own }, body, signal },
        ...{ headersTimeout: TIMEOUT, bodyTimeout: TIMEOUT },
        reading: { keep: 0, most: READ, limit: (giveUp) => clock.after(READ_FOR, giveUp) },
      });
    });

  const mail = (receiver: MailReceiver, message: Message) =>
    sendMail(receiver.smtp, mailOf(receiver, message, clock.now()), {
      ...{ clock, timeout: mailTimeout, signal: stopped.signal },
    }).then(() => null, errorLine);

  return {
    send: (receiver, message) => (receiver.format === "mail" ? mail(receiver, message) : post(receiver, message)),
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
