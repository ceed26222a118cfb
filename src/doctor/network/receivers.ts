import { relativeTime } from "../../actions/format.ts";
import type { AlertReceiver } from "../../config/schema.ts";
import { type ReceiverState, receiverName } from "../../model/alert.ts";
import { connectTo } from "../../platform/net/connect.ts";
import { greetServer } from "../../platform/net/smtp.ts";
import type { Clock } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import { type Finding, failed, inTime, ok } from "../probe.ts";
import { CONNECT, hostOf, judgeServer } from "./certificate.ts";
import { explain } from "./errors.ts";

// Receivers of alerts. Nothing is sent that one could take for a message, or a watcher for a heartbeat: whether a message is
// taken, `alerts test` finds out.

/** For a mail server, which may be slow on purpose, in milliseconds. */
const GREETING = 30_000;

const REACH = "check its address, and the way to it";

/** Whether a receiver can be reached: a webhook's connection and certificate, a mail server's greeting, TLS and login. */
export async function judgeReceiver(receiver: AlertReceiver, option: string, clock: Clock): Promise<Finding> {
  const next = testOf(receiverName(receiver));
  if (receiver.format !== "mail") return judgeAddress(receiver.url, `${option}.url`, clock, next);
  const { smtp } = receiver;
  try {
    await greetServer(smtp, { clock, timeout: GREETING });
  } catch (error) {
    return failed(`the mail server ${smtp.host}: ${explain(error)}`, `check ${option}.smtp, and the way to it`);
  }
  const login = smtp.user === "" ? "" : " and takes the login";
  return ok(`the mail server ${smtp.host} answers${login}; ${next}`);
}

/** The address of a webhook, or of the heartbeat. The path may be a secret. */
export async function judgeAddress(given: string, option: string, clock: Clock, next: string): Promise<Finding> {
  const url = new URL(given);
  if (url.protocol === "https:") {
    const finding = await judgeServer(url, clock, { option, reach: REACH });
    return finding.state === "ok" ? { ...finding, detail: `${finding.detail}; ${next}` } : finding;
  }
  try {
    const where = { host: hostOf(url), port: Number(url.port || 80) };
    const connect = (signal: AbortSignal) => connectTo(where, signal);
    (await inTime({ clock, ms: CONNECT }, connect)).destroy();
    return ok(`${url.host} takes a connection; ${next}`);
  } catch (error) {
    return failed(`${url.host}: ${explain(error)}`, REACH);
  }
}

const testOf = (name: string) => `"wochit-relay alerts test ${name}" sends it a message`;

/** When each was last sent something, by a relay; nothing where none has a receiver. */
export async function judgeSent(store: Pick<Store, "receivers">, now: number): Promise<Finding[]> {
  return (await store.receivers()).map((receiver) => judgeState(receiver, now));
}

function judgeState({ place, sentAt, failingSince, error, waiting, ...who }: ReceiverState, now: number): Finding {
  const name = `${receiverName(who)} (${place})`;
  const last = sentAt === null ? "was not sent anything yet" : `was last sent something ${relativeTime(sentAt, now)}`;
  if (failingSince === null) return ok(`${name} ${last}`);
  const waits = `${waiting} ${waiting === 1 ? "alert waits" : "alerts wait"} for it`;
  return failed(
    `${name} takes nothing (the first try that failed: ${relativeTime(failingSince, now)}): ${error}; ${waits}; it ${last}`,
    `wochit-relay alerts test ${receiverName(who)}`,
  );
}
