import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import type { MailReceiver, WebhookReceiver } from "../config/schema.ts";
import type { Alert } from "../model/alert.ts";
import type { Mail } from "../platform/net/smtp.ts";

/** The most alerts that a message names, and its characters and those of a line: Discord takes 2,000, the fewest. */
const MOST = 5;
const CHARACTERS = 1_900;
const LINE = 240;

const SAYS: Record<Alert["says"], string> = { begins: "", lasts: "still: ", flaps: "comes and goes: ", ends: "over: " };

/** The body of a message about these, and its headers. `relay`: how the relay is reached, for one who has several. */
export function messageOf(
  format: WebhookReceiver["format"],
  alerts: Alert[],
  { relay, at }: { relay: string; at: number },
) {
  const title = titleOf(alerts, relay);
  if (format === "slack") {
    return {
      headers: { "content-type": "application/json" },
      body: toBytes(JSON.stringify({ text: linesOf(title, alerts) })),
    };
  }
  if (format === "text") {
    const headers = { "content-type": "text/plain; charset=utf-8", title };
    return { headers, body: toBytes(linesOf(null, alerts)) };
  }
  const said = alerts.map(({ at, ...alert }) => ({ ...alert, at: new Date(at).toISOString() }));
  const body = { type: "relay.alerts", relay, at: new Date(at).toISOString(), alerts: said };
  return { headers: { "content-type": "application/json" }, body: toBytes(JSON.stringify(body)) };
}

/** The same as a mail: in the words of `text`. It is known as the same one however often it is sent. */
export function mailOf(
  { mail, from }: Pick<MailReceiver, "mail" | "from">,
  alerts: Alert[],
  { relay, at }: { relay: string; at: number },
): Mail {
  const id = hash("sha256", alerts.map(({ id }) => id).join()).slice(0, 32);
  return {
    ...{ from, to: mail, subject: titleOf(alerts, relay), text: linesOf(null, alerts), at },
    id: `${id}@${from.slice(from.indexOf("@") + 1)}`,
  };
}

const toBytes = (text: string) => Buffer.from(text);

/** Of what a header may hold, as it goes into one. */
function titleOf(alerts: Alert[], relay: string): string {
  const begun = alerts.filter(({ says }) => says !== "ends").length;
  const over = alerts.length - begun;
  const parts = [
    begun > 0 ? `${begun} ${begun === 1 ? "thing needs" : "things need"} you` : "",
    over > 0 ? `${over} over` : "",
  ];
  return `wochit-relay ${relay}: ${parts.filter(Boolean).join(", ")}`.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}

function linesOf(title: string | null, alerts: Alert[]): string {
  const lines = title === null ? [] : [plain(title)];
  const shown = alerts.slice(0, MOST);
  let room = CHARACTERS - shown.length * LINE - LINE;
  for (const { says, name, severity, what, means, commands } of shown) {
    lines.push(plain(`${severity === "page" && says !== "ends" ? "!" : "-"} ${SAYS[says]}${what} (${name})`));
    const help = [means, ...commands.slice(0, 2)].map((line) => `  ${plain(line)}`);
    const length = help.join("\n").length;
    if (says !== "begins" || length >= room) continue;
    room -= length;
    lines.push(...help);
  }
  if (alerts.length > MOST) lines.push(`and ${alerts.length - MOST} more: wochit-relay status`);
  return lines.join("\n");
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
