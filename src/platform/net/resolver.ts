import { Resolver, lookup as systemLookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { Clock } from "../../ports.ts";
import { systemClock } from "../runtime.ts";
import { within } from "../timing.ts";

/** All addresses of a host name, as `dns.lookup` with `all` gives them. */
export type Resolve = (hostname: string) => Promise<{ address: string; family: number }[]>;

type Addresses = Awaited<ReturnType<Resolve>>;

/** Timeout of a lookup, in milliseconds. */
const DEADLINE = 5_000;

/**
 * The most concurrent lookups of the system, and of names that have not answered before. The system's lookup (getaddrinfo)
 * holds a thread until it returns, which takes a minute where a name server is silent. Node gives lookups half of its threads
 * (32, thread-pool.ts; nodejs.org/api/dns.html#implementation-considerations).
 */
const AT_ONCE = 12;
const NEW_AT_ONCE = 8;

/** How many names that have answered are remembered. */
const REMEMBERED = 1_000;

/** Timeout in milliseconds before the next name server is asked, and tries. */
const QUERY = { timeout: 1_500, tries: 2 };

/**
 * Looks names up so that a silent name server does not delay other names. One lookup a name runs at once, for five seconds at
 * most. The system's lookup comes first, because only it uses all that is configured (nsswitch.conf, search domains, mDNS).
 * While it hangs for this name, or for enough others to take all threads, the hosts file and then the name servers are asked
 * directly, which takes no thread, but uses neither search domains nor nsswitch.conf. Rejects with the lookup's error, or with
 * one of code "ETIMEOUT".
 */
export function createResolver(options: {
  clock: Clock;
  system?: Resolve;
  hostsFile?: string;
  /** "address:port" of the name servers; unset: the system's. */
  servers?: string[];
}): Resolve {
  const { clock, hostsFile = "/etc/hosts", servers } = options;
  const system: Resolve = options.system ?? ((hostname) => systemLookup(hostname, { all: true }));
  /** The system's lookups that have not returned; late ones still hold their thread. */
  const running = new Map<string, { answer: Promise<Addresses>; isLate: boolean }>();
  const direct = new Map<string, Promise<Addresses>>();
  const answered = new Set<string>();
  let newNames = 0;

  function askSystem(name: string): Promise<Addresses> {
    const isNew = !answered.has(name);
    if (isNew) newNames++;
    const asked = system(name).finally(() => {
      running.delete(name);
      if (isNew) newNames--;
    });
    const entry = { isLate: false, answer: inTime(name, asked, () => (entry.isLate = true)) };
    running.set(name, entry);
    asked.then(() => remember(name)).catch(() => {});
    return entry.answer;
  }

  function remember(name: string): void {
    answered.delete(name);
    answered.add(name);
    const [oldest] = answered;
    if (answered.size > REMEMBERED && oldest !== undefined) answered.delete(oldest);
  }

  async function askDirectly(name: string): Promise<Addresses> {
    const listed = await readHosts(hostsFile, name);
    if (listed.length > 0) return listed;
    const resolver = new Resolver(QUERY);
    if (servers) resolver.setServers(servers);
    const queries = Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const [v4, v6] = await inTime(name, queries, () => resolver.cancel());
    const found = [...addressesOf(v4, 4), ...addressesOf(v6, 6)];
    if (found.length === 0 && v4.status === "rejected") throw v4.reason;
    return found;
  }

  function inTime<T>(name: string, asked: Promise<T>, onLate: () => void): Promise<T> {
    const late = () => {
      onLate();
      const message = `${name} cannot be looked up: no answer within ${DEADLINE / 1000} s`;
      return Object.assign(new Error(message), { code: "ETIMEOUT" });
    };
    return within(DEADLINE, clock, () => asked, { late });
  }

  return (hostname) => {
    const name = hostname.toLowerCase();
    const asked = running.get(name);
    if (asked && !asked.isLate) return asked.answer;
    const hasThread = running.size < AT_ONCE && (answered.has(name) || newNames < NEW_AT_ONCE);
    if (!asked && hasThread) return askSystem(name);
    const known = direct.get(name);
    if (known) return known;
    const answer = askDirectly(name).finally(() => direct.delete(name));
    direct.set(name, answer);
    return answer;
  };
}

function addressesOf(answer: PromiseSettledResult<string[]>, family: number): Addresses {
  return answer.status === "rejected" ? [] : answer.value.map((address) => ({ address, family }));
}

/** The addresses of a name in a hosts file (hosts(5)); none without such a file. */
async function readHosts(file: string, name: string): Promise<Addresses> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().toLowerCase().split(/\s+/);
    const family = isIP(address);
    return family !== 0 && names.includes(name.replace(/\.$/, "")) ? [{ address, family }] : [];
  });
}

/** Shared by the process, because its threads are limited. */
export const resolveName: Resolve = createResolver({ clock: systemClock() });
