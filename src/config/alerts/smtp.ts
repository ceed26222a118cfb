import { RelayError } from "../../errors.ts";
import type { SmtpServer } from "../../platform/net/smtp.ts";
import { isLoopback } from "../own-webhook.ts";

/** RFC 8314, RFC 6409. */
const PORTS = { "smtps:": 465, "smtp:": 587 };

/**
 * The server that a URL names: smtps://USER:PASSWORD@HOST:PORT, or smtp://. A login never goes over a network in the clear; on this
 * machine there is no TLS to ask for. RelayError("config") that does not quote it.
 */
export function readSmtpUrl(given: string): SmtpServer {
  const url = URL.canParse(given) ? new URL(given) : null;
  const port = url === null ? undefined : PORTS[url.protocol as keyof typeof PORTS];
  if (
    url === null ||
    port === undefined ||
    url.hostname === "" ||
    !/^\/?$/.test(url.pathname + url.search + url.hash)
  ) {
    throw new RelayError(
      "config",
      "must be smtps://USER:PASSWORD@HOST or smtp://…, with odd characters as %40 and the like",
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const [user, password] = [decode(url.username), decode(url.password)];
  const plain = isLoopback(host) ? "none" : user === "" ? "offered" : "required";
  return { host, port: Number(url.port || port), tls: url.protocol === "smtps:" ? "implicit" : plain, user, password };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
