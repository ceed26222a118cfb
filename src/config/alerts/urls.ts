import { hash } from "node:crypto";
import { RelayError } from "../../errors.ts";
import type { SmtpServer } from "../../platform/net/smtp.ts";
import type { CheckContext } from "../check-context.ts";
import type { Path } from "../problems.ts";
import type { AlertReceiver, AlertsConfig, MailReceiver, WebhookReceiver } from "../schema.ts";
import { readSmtpUrl } from "./smtp.ts";

/** What was read of each receiver, its URL or its mail server, and of the heartbeat; null: it was not. */
export type AlertUrls = { to: (string | SmtpServer | null)[]; heartbeat: string | null };

type Common = "name" | "atLeast";
type Given = {
  to: (Pick<WebhookReceiver, "format" | Common> | Pick<MailReceiver, "mail" | "from" | Common>)[];
  heartbeat: { every: number } | null;
};

/** Reads the addresses of receivers, each of which is there once, as is each name, and of the heartbeat. */
export function readAlertUrls(
  { valueAt, problems }: Pick<CheckContext, "valueAt" | "problems">,
  read: <T>(path: Path, decode: (text: string) => T) => T | null,
): AlertUrls {
  const given = valueAt<unknown[]>(["alerts", "to"]) ?? [];
  const list = Array.isArray(given) ? (given as { mail?: string; name?: string }[]) : [];
  const to = list.map(({ mail }, at) => {
    const path = ["alerts", "to", at];
    return mail === undefined ? read([...path, "url"], checkUrl) : read([...path, "smtp"], readSmtpUrl);
  });
  const places = list.map(({ mail }, at) => mail?.toLowerCase() ?? to[at]!);
  for (const [at, place] of places.entries()) {
    const first = places.indexOf(place);
    const option = list[at]!.mail === undefined ? "url" : "mail";
    if (place !== null && first < at)
      problems.add(["alerts", "to", at, option], `is that of alerts.to[${first}] already`);
  }
  for (const [at, { name }] of list.entries()) {
    const first = list.findIndex((one) => one.name === name);
    if (name != null && first < at)
      problems.add(["alerts", "to", at, "name"], `is that of alerts.to[${first}] already`);
  }
  return { to, heartbeat: read(["alerts", "heartbeat", "url"], checkUrl) };
}

/** RelayError("config") that does not quote it. */
function checkUrl(url: string): string {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new RelayError("config", "must be an http:// or https:// URL");
}

/** Without those whose URL or mail server was not read. */
export function buildAlerts({ to, heartbeat }: Given, urls: AlertUrls): AlertsConfig {
  return {
    to: to.flatMap((receiver, at): AlertReceiver[] => {
      const read = urls.to[at];
      if (read == null) return [];
      if (typeof read === "string") {
        const { name, format, atLeast } = receiver as Pick<WebhookReceiver, "format" | Common>;
        return [{ id: idOf(format, read), name, place: new URL(read).host, url: read, format, atLeast }];
      }
      const { name, mail, from, atLeast } = receiver as Pick<MailReceiver, "mail" | "from" | Common>;
      const id = idOf("mail", mail.toLowerCase());
      return [{ id, name, place: mail, format: "mail", mail, from, smtp: read, atLeast }];
    }),
    heartbeat: heartbeat && urls.heartbeat !== null ? { url: urls.heartbeat, every: heartbeat.every } : null,
  };
}

const idOf = (format: AlertReceiver["format"], place: string) => `${format}-${hash("sha256", place).slice(0, 8)}`;
