import { isIP } from "node:net";
import { type Config, parseListen } from "../../config/schema.ts";
import { askRelay } from "../../platform/net/ask-relay.ts";

/** Reasons of a relay that is ready, but degraded. */
export const DISK_LOW = "free disk space is below mirror.minFreeDisk";
export const TARGET_DOWN = "the mirror target is down: copies cannot be kept";
export const ADMIN_CLOSED = "the admin listener cannot be opened, and is tried again";

/** An answer of `/readyz` (CONTRACT, "Health"): 200 where events can be committed. `said`: null where no relay answers. */
export type Readiness = { status: number; said: { degraded: boolean; reasons: string[] } | null };

/** Where this machine reaches a relay with these options, without a path; null: the system chose the port. */
export function localOrigin({ listen, tls }: Pick<Config["server"], "listen" | "tls">): URL | null {
  const { host, port } = parseListen(listen)!;
  return port === 0 ? null : new URL(`http${tls ? "s" : ""}://${toOne(host)}:${port}`);
}

/** The same for the origin that a relay says it listens on, like "http://0.0.0.0:8080". */
export function reachable(origin: string): URL {
  const url = new URL(origin);
  url.hostname = toOne(url.hostname.replace(/^\[|\]$/g, ""));
  return url;
}

/** Not every system takes a connection to the "any" address for one to itself. */
function toOne(host: string): string {
  const address = host === "0.0.0.0" ? "127.0.0.1" : /^[0:]+$/.test(host) ? "::1" : host;
  return isIP(address) === 6 ? `[${address}]` : address;
}

/** Asks the relay at this origin. Rejects with the network's error. */
export async function askReadiness(origin: URL, signal: AbortSignal): Promise<Readiness> {
  const { status, body } = await askRelay(new URL("/readyz", origin), signal);
  return { status, said: read(body) };
}

function read(body: string): Readiness["said"] {
  try {
    const { status, degraded = false, reasons = [] } = JSON.parse(body);
    return typeof status === "string" && Array.isArray(reasons) ? { degraded, reasons } : null;
  } catch {
    return null;
  }
}
