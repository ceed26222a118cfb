import { hostname } from "node:os";
import { lookAtMachine } from "../platform/machine.ts";
import { parseNetworks } from "../platform/net/addresses.ts";
import type { CheckContext } from "./check-context.ts";
import { parseListen } from "./schema.ts";

const LOOPBACK = parseNetworks(["127.0.0.0/8", "::1"]);
const ANY = new Set(["0.0.0.0", "::"]);

/**
 * Whether a URL leads to this relay's own webhook, judged without a lookup: by `server.publicUrl`, and by the address
 * that the relay listens on. An endpoint there would get each event back as a new one.
 */
export function isOwnWebhook(given: string, { valueAt }: Pick<CheckContext, "valueAt">): boolean {
  const url = new URL(given);
  const receive = valueAt<string>(["receive", "path"]);
  if (receive === undefined) return false;
  const isWebhookBelow = (base: string) => {
    const path = url.pathname.replace(/\/+$/, "");
    // A token may follow the path.
    return path === base + receive || path.startsWith(`${base}${receive}/`);
  };
  const publicUrl = valueAt<string | null>(["server", "publicUrl"]);
  if (publicUrl) {
    const own = new URL(publicUrl);
    // The scheme is not compared: a proxy may accept both.
    if (hostOf(url) === hostOf(own) && url.port === own.port) return isWebhookBelow(own.pathname.replace(/\/+$/, ""));
  }
  const listen = parseListen(valueAt<string>(["server", "listen"]) ?? "");
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  if (port !== listen?.port) return false;
  return isListenedOn(hostOf(url), listen.host) && isWebhookBelow("");
}

/** Whether a host is a loopback address, or the name of one. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || LOOPBACK.contains(host);
}

/** Whether a host of a URL is one at which a listener of this machine is reached. */
function isListenedOn(host: string, listen: string): boolean {
  if (host === listen || ANY.has(host)) return true;
  if (!ANY.has(listen)) return isLoopback(listen) && host === "localhost";
  return isLoopback(host) || host === hostname().toLowerCase() || lookAtMachine().addresses.includes(host);
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}
