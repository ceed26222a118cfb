import { isReservedHeader } from "../rules/reserved-headers.ts";

/** The headers of a message, but for its signature (CONTRACT, "What an endpoint receives"). Pure. */

/** The URL that is asked, and the headers of every request, in lower case. Userinfo of the URL becomes Basic authentication. */
export function requestTo(
  endpoint: { url: string; headers: Record<string, string> },
  userAgent: string,
): { url: URL; headers: Record<string, string> } {
  const headers: Record<string, string> = { "content-type": "application/json", "user-agent": userAgent };
  for (const [name, value] of Object.entries(endpoint.headers)) {
    if (!isReservedHeader(name)) headers[name.toLowerCase()] = value;
  }
  const url = new URL(endpoint.url);
  if (url.username !== "" || url.password !== "") {
    // RFC 7617 §2, in the UTF-8 of URLs.
    const user = `${decodePercent(url.username)}:${decodePercent(url.password)}`;
    headers.authorization = `Basic ${Buffer.from(user).toString("base64")}`;
    url.username = "";
    url.password = "";
  }
  url.hash = "";
  return { url, headers };
}

/** The headers of one attempt, which counts from 1. `timestamp`: seconds since 1970. */
export function messageHeaders(id: string, attempt: number, timestamp: number): Record<string, string> {
  return { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-attempt": String(attempt) };
}

/** A part of a URL as its author meant it. */
export function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
