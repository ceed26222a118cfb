import { Resolver, lookup as systemLookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { Clock } from "../../ports.ts";
import { systemClock } from "../runtime.ts";
import { within } from "../timing.ts";

/** All addresses of a host name, as `dns.lookup` with `all` gives them. */
export type Resolve = (hostname: string) => Promise<{ address: string; family: number }[]>;

type Addresses = Awaited<ReturnType<Resolve>>;

/** A name that has no answer after this long is given up; milliseconds. */
const DEADLINE = 5_000;

/**
 * Lookups of the system that may be under way at once, and how many of these may be of names that have not answered before.
 * The system's lookup (getaddrinfo) holds a thread until it returns, a minute where a name server is silent, and Node lets
 * half of its threads (32, thread-pool.ts) do so: nodejs.org/api/dns.html#implementation-considerations.
 */
const AT_ONCE = 12;
const STRANGERS_AT_ONCE = 8;

/** Names that answered are remembered, this many of them. */
const REMEMBERED = 1_000;

/** For each name server, before the next one is asked, and how often; milliseconds. */
const QUERY = { timeout: 1_500, tries: 2 };

/**
 * Looks names up so that none holds up another. Each name is asked for once at a time and has five seconds. The system's
 * lookup is the first to be asked, because it alone knows all that the machine is set up to know (nsswitch.conf, search domains,
 * mDNS). While it hangs for this name, or for enough others to take all threads, the hosts file and then the name
 * servers themselves are asked, which takes no thread: by that way search domains and other sources of nsswitch.conf are not known.
 * Rejects with the lookup's error, or with one of code "ETIMEOUT".
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
  /** The system's lookups that have not returned; those that are late have been given up, and still hold their thread. */
  const running = new Map<string, { answer: Promise<Addresses>; isLate: boolean }>();
  const direct = new Map<string, Promise<Addresses>>();
  const answered = new Set<string>();
  let strangers = 0;

  function askSystem(name: string): Promise<Addresses> {
    const isStranger = !answered.has(name);
    if (isStranger) strangers++;
    const asked = system(name).finally(() => {
      running.delete(name);
      if (isStranger) strangers--;
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
    const hasThread = running.size < AT_ONCE && (answered.has(name) || strangers < STRANGERS_AT_ONCE);
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

/** The addresses that a hosts file has for a name (hosts(5)); none where there is no such file. */
async function readHosts(file: string, name: string): Promise<Addresses> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().toLowerCase().split(/\s+/);
    const family = isIP(address);
    return family !== 0 && names.includes(name.replace(/\.$/, "")) ? [{ address, family }] : [];
  });
}

/** The process's own: its threads are what there are few of. */
export const resolveName: Resolve = createResolver({ clock: systemClock() });
