import { isSameSecret } from "../platform/same-secret.ts";
import { sleep } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";

/** Who asks: the name of a token, and whether it may change anything. */
export type Caller = { name: string; can: "read" | "operate" };

export type Token = Caller & { token: string };

/** After this many wrong tokens of an address within this time, further ones are answered late; milliseconds. */
const FAILURES = 10;
const WITHIN = 15 * 60_000;
const LATE = 2_000;

/** Addresses that are remembered, and late answers that wait at once: beyond, the oldest is forgotten, and none waits. */
const ADDRESSES = 4_096;
const WAITING = 256;

/**
 * The caller of an Authorization header (RFC 6750); null: it has no token that holds. The time that it takes says nothing of
 * any token: all of them are compared, by their digests.
 */
export function callerOf(header: string | undefined, tokens: Token[]): Caller | null {
  const [, given] = /^Bearer +(\S+) *$/i.exec(header ?? "") ?? [];
  if (given === undefined) return null;
  const found = tokens.filter(({ token }) => isSameSecret(given, token));
  const [first] = found;
  return first === undefined ? null : { name: first.name, can: first.can };
}

/**
 * Slows down who guesses: resolves with whether an address has failed too often, and then only after a while. A right token
 * never comes here: many callers may share the address of a proxy, or of a tunnel.
 */
export function createFailures(clock: Clock) {
  const byAddress = new Map<string, { since: number; count: number }>();
  let waiting = 0;
  return async function fail(address: string, signal?: AbortSignal): Promise<boolean> {
    const now = clock.elapsed();
    const known = byAddress.get(address);
    const failed = known !== undefined && now - known.since < WITHIN ? known : { since: now, count: 0 };
    byAddress.delete(address);
    byAddress.set(address, failed);
    if (byAddress.size > ADDRESSES) byAddress.delete(byAddress.keys().next().value!);
    if (++failed.count <= FAILURES) return false;
    if (waiting < WAITING) {
      waiting++;
      await sleep(LATE, clock, signal);
      waiting--;
    }
    return true;
  };
}
