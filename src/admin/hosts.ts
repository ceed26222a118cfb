import { isLoopback } from "../config/own-webhook.ts";

/**
 * Whether a request's Host may be served. On loopback only names of this machine, and those of the config (`names`), may:
 * else a page of any site, whose name is made to lead here, could read the answers (DNS rebinding). Ports do not matter.
 * Beyond loopback, where the relay's names are not all known, and without a Host, which browsers always send: yes.
 */
export function isServedHost(hosts: string[], listen: string, names: string[]): boolean {
  if (!isLoopback(listen)) return true;
  return hosts.every((host) => {
    const name = nameIn(host);
    return name !== null && (isLoopback(name) || names.includes(name));
  });
}

/** The name in "name:port", in small letters; null: it is none. */
export function nameIn(host: string): string | null {
  const [, v6, name] = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/?#@]+))(?::\d{0,5})?$/i.exec(host) ?? [];
  return (v6 ?? name)?.toLowerCase().replace(/\.$/, "") ?? null;
}

/** All values of Host in a request's head as it came; Node's own is changed before a route sees it. */
export function hostsIn(rawHeaders: string[]): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === "host");
}
