import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { shortTime } from "../actions/format.ts";
import { isoTime } from "../actions/json.ts";
import type { MailReceiver, WebhookReceiver } from "../config/schema.ts";
import type { Alert } from "../model/alert.ts";
import type { Mail } from "../platform/net/smtp.ts";

/** The most alerts that a message names, and its characters and those of a line: Discord takes 2,000, the fewest. */
const MOST = 5;
const CHARACTERS = 1_900;
const LINE = 240;

/** Characters of a title that say what the first alert is. */
const TITLE = 120;

const SAYS: Record<Exclude<Alert["says"], "ends">, string> = {
  begins: "",
  lasts: "still: ",
  flaps: "comes and goes: ",
};

/** What is sent to a receiver. `id` is the same for the same alerts, however often they are sent. */
export type Message = { id: string; title: string; text: string; json: object };

/** A message about these. `relay`: how the relay is reached, for one who has several; `at`: milliseconds since 1970. */
export function messageOf(alerts: Alert[], { relay, at }: { relay: string; at: number }): Message {
  const said = alerts.map(({ at, began, ...alert }) => ({
    ...{ ...alert, at: isoTime(at) },
    ...(began !== undefined && { began: isoTime(began) }),
  }));
  const last = lastWords(alerts);
  return {
    id: hash("sha256", alerts.map(({ id }) => id).join()).slice(0, 32),
    ...{ title: titleOf(last, relay), text: linesOf(last) },
    json: { type: "relay.alerts", relay, at: new Date(at).toISOString(), alerts: said },
  };
}

/** Of each alarm what was said last: a message that comes late does not call what is over a thing that needs someone. */
function lastWords(alerts: Alert[]): Alert[] {
  const last = new Map<string, Alert>();
  for (const alert of alerts) {
    const key = `${alert.name}\n${alert.subject}`;
    const former = last.get(key);
    // One that begins says what helps, and is as new to the reader as it was.
    if (former?.says === "begins" && alert.says === "lasts") continue;
    last.delete(key);
    const began = former?.says === "begins" ? former.at : undefined;
    last.set(key, alert.says === "ends" && began !== undefined ? { began, ...alert } : alert);
  }
  return [...last.values()];
}

/** A message that stands for no alarm. */
export function testMessage(id: string, { relay, at }: { relay: string; at: number }): Message {
  return {
    ...{ id, title: inHeader(`wochit-relay ${relay}: a test`), text: "Alarms reach you here. Nothing needs you now." },
    json: { type: "relay.test", relay, at: new Date(at).toISOString(), alerts: [] },
  };
}

/** The body of a message to a webhook, and its headers. */
export function bodyOf(
  format: WebhookReceiver["format"],
  { title, text, json }: Message,
): { headers: Record<string, string>; body: Uint8Array } {
  if (format === "slack") {
    return {
      headers: { "content-type": "application/json" },
      body: toBytes(JSON.stringify({ text: `${plain(title)}\n${text}` })),
    };
  }
  if (format === "text")
    return { headers: { "content-type": "text/plain; charset=utf-8", title }, body: toBytes(text) };
  return { headers: { "content-type": "application/json" }, body: toBytes(JSON.stringify(json)) };
}

/** The same as a mail: in the words of `text`. */
export function mailOf({ mail, from }: Pick<MailReceiver, "mail" | "from">, message: Message, at: number): Mail {
  const { id, title, text } = message;
  return { from, to: mail, subject: title, text, at, id: `${id}@${from.slice(from.indexOf("@") + 1)}` };
}

const toBytes = (text: string) => Buffer.from(text);

/** A phone shows little more than its first words: how urgent, and what. */
function titleOf(alerts: Alert[], relay: string): string {
  const urgency = ({ says, severity }: Alert) => (says === "ends" ? 2 : severity === "page" ? 0 : 1);
  const first = alerts.toSorted((a, b) => urgency(a) - urgency(b))[0]!;
  const what = inHeader(headOf(first));
  const short = what.length <= TITLE ? what : `${what.slice(0, TITLE - 3)}...`;
  const more = alerts.length > 1 ? `, and ${alerts.length - 1} more` : "";
  return inHeader(`${short}${more} (wochit-relay ${relay})`);
}

/** "PAGE: …" cannot wait for the working day, "TICKET: …" can. */
const headOf = ({ says, severity, what }: Alert) =>
  says === "ends" ? `over: ${what}` : `${severity.toUpperCase()}: ${SAYS[says]}${what}`;

/** Of what a header may hold, as it goes into one. */
const inHeader = (text: string) => text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);

function linesOf(alerts: Alert[]): string {
  const lines: string[] = [];
  const shown = alerts.slice(0, MOST);
  let room = CHARACTERS - shown.length * LINE - LINE;
  for (const alert of shown) {
    const { says, name, what, means, commands } = alert;
    lines.push(plain(`${says === "ends" ? `${timesOf(alert)}${what}` : headOf(alert)} (${name})`));
    const help = [means, ...commands.slice(0, 2)].map((line) => `  ${plain(line)}`);
    const length = help.join("\n").length;
    if (says !== "begins" || length >= room) continue;
    room -= length;
    lines.push(...help);
  }
  if (alerts.length > MOST) lines.push(`and ${alerts.length - MOST} more: wochit-relay status`);
  return lines.join("\n");
}

/** `began 2026-01-31 08:00:00Z, over 2026-01-31 08:15:00Z: ` */
function timesOf({ at, began }: Alert): string {
  return `${began === undefined ? "" : `began ${shortTime(isoTime(began))}, `}over ${shortTime(isoTime(at))}: `;
}

/** One line, without what a chat takes for a mention or a link: names in it come from payloads and answers. */
function plain(text: string): string {
  const line = text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, " ")
    .replace(/@/g, "@\u200b")
    .replace(/</g, "\u2039")
    .replace(/>/g, "\u203a");
  return line.length < LINE ? line : `${line.slice(0, LINE - 2)}…`;
}
