import type { Place } from "../../../config/store/place.ts";
import { RelayError } from "../../../errors.ts";
import { every } from "../../../platform/timing.ts";
import type { Log } from "../../../ports.ts";
import { type Connection, type ConnectOptions, connect, lineOf, nameOf, serverOf } from "./connection.ts";
import type { Server } from "./session.ts";

/** How often all hosts are asked what they are; while none of them takes writes, more often. Milliseconds. */
const LOOK_EVERY = 5_000;
const SEEK_EVERY = 250;

/** How long a host may take to answer while no server was known yet, in milliseconds. */
const AT_START = 10_000;

/** A host that has not answered by then is not waited for while another one takes writes, in milliseconds. */
const GRACE = 500;

/** A process that was stopped, or a machine that slept, for longer does not know what happened meanwhile; milliseconds. */
const LONGEST_GAP = 1_000;
const BEAT = 500;

export type Primary = {
  /**
   * The server that takes writes. Waits while none is known; RelayError("store_unavailable") once it is closed, and, `once`,
   * when each host has been asked and none takes writes.
   */
  find(how?: { once?: boolean }): Promise<Server>;
  /** The last one that was known; null: none was. */
  last(): Server | null;
  /** Whether `find` would answer at once. */
  isKnown(): boolean;
  /** Whether what is connected to this server is still of use. */
  isCurrent(server: Pick<Server, "host" | "port" | "system" | "timeline">): boolean;
  /** When the last look at all hosts was begun that found it to be the one of before, by `elapsed`; -1: none has. */
  confirmedAt(): number;
  /** All hosts are asked anew; until they have answered no server counts as known. */
  question(): void;
  /** Why no server is known, in one line. */
  why(): string;
  close(): Promise<void>;
};

/** `refused`: why it cannot be used, or is not asked yet. */
type Host = Place["hosts"][number] & {
  connection: Connection | null;
  answer: Server | { refused: string };
  /** When it was asked for its answer, by `elapsed`. */
  askedAt: number;
  /** It has to answer before a server counts as known. */
  isAwaited: boolean;
  look: { isUnderWay: boolean; isWantedAgain: boolean; cancelNext(): void };
};

/**
 * Finds the server that takes writes among the hosts, and watches all of them on a connection each. Of two that take writes
 * the one with the higher timeline counts: the other one is an old primary that has not heard of its end.
 */
export function watchPrimary(
  options: ConnectOptions & { log: Log; changed(server: Server, before: Server | null): void },
): Primary {
  const { place, clock, log } = options;
  let current: Server | null = null;
  let isKnown = false;
  let isClosed = false;
  let waiting: { resolve(server: Server): void; reject(error: unknown): void; once: boolean }[] = [];
  let cancelGrace = () => {};
  /** Other servers that take writes, each reported once. */
  const spokenOf = new Set<string>();

  const hosts: Host[] = place.hosts.map(({ host, port }) => ({
    ...{ host, port, connection: null, answer: { refused: "was not asked yet" }, askedAt: -1, isAwaited: true },
    look: { isUnderWay: false, isWantedAgain: false, cancelNext: () => {} },
  }));

  /** One question to a host at a time; what was asked before a demand does not answer it. */
  async function look(host: Host): Promise<void> {
    const { look: state } = host;
    if (state.isUnderWay) {
      state.isWantedAgain = true;
      return;
    }
    state.cancelNext();
    state.isUnderWay = true;
    state.isWantedAgain = false;
    const askedAt = clock.elapsed();
    const answer = await ask(host);
    state.isUnderWay = false;
    if (isClosed) return;
    if (state.isWantedAgain) return look(host);
    Object.assign(host, { answer, askedAt, isAwaited: false });
    choose();
    if (state.isUnderWay) return;
    state.cancelNext = clock.after(isKnown ? LOOK_EVERY : SEEK_EVERY, () => void look(host));
  }

  async function ask(host: Host): Promise<Host["answer"]> {
    try {
      if (host.connection === null || host.connection.lost() !== null) {
        host.connection = null;
        // A machine that has just started is slow, and nothing else can be done yet.
        host.connection = await connect(host, current === null ? { ...options, patience: AT_START } : options);
        if (isClosed) await host.connection.end();
      } else await host.connection.look();
      const { refusal } = host.connection.said();
      return refusal === null ? serverOf(host.connection) : { refused: lineOf(host, refusal) };
    } catch (error) {
      host.connection?.cut(error as Error);
      host.connection = null;
      return { refused: lineOf(host, error) };
    }
  }

  function choose(): void {
    const servers = hosts.flatMap(({ answer }) => ("refused" in answer ? [] : [answer]));
    // Another system is another database: it counts only where the known one is gone. There is no way back in time.
    const ours = servers.filter(({ system }) => current === null || system === current.system);
    const [best] = (ours.length > 0 ? ours.filter((each) => !isOld(each)) : servers).sort(compare);
    const isAwaiting = hosts.some(({ isAwaited }) => isAwaited);
    if (best !== undefined && isAwaiting) return waitForOthers();
    cancelGrace();
    const wasKnown = isKnown;
    isKnown = best !== undefined;
    if (best === undefined) {
      // The others are not asked for seconds, and one of them may take writes by then.
      if (wasKnown) question();
      else if (!isAwaiting) refuse();
      return;
    }
    for (const each of servers) if (each.system !== best.system || each.timeline < best.timeline) speakOf(each, best);
    const before = current;
    current = best;
    hosts.find(({ answer }) => answer === best)?.connection?.trustTime();
    if (before !== null && before.isSynchronous !== best.isSynchronous) speakOfCommits(best);
    if (before === null || !isSame(best, before)) options.changed(best, before);
    for (const { resolve } of waiting.splice(0)) resolve(best);
  }

  function refuse(): void {
    const refused = waiting.filter(({ once }) => once);
    waiting = waiting.filter(({ once }) => !once);
    for (const { reject } of refused) reject(new RelayError("store_unavailable", why()));
  }

  /** A primary from before the last promotion that is known. */
  function isOld({ system, timeline }: Server): boolean {
    return current !== null && system === current.system && timeline < current.timeline;
  }

  /** The highest timeline first; where that is equal the known server, which may have two names, then the order of the address. */
  function compare(a: Server, b: Server): number {
    const place = ({ host, port }: Server) =>
      current?.host === host && current.port === port
        ? -1
        : hosts.findIndex((each) => each.host === host && each.port === port);
    return b.timeline - a.timeline || place(a) - place(b);
  }

  let isGraceOn = false;
  function waitForOthers(): void {
    if (isGraceOn) return;
    isGraceOn = true;
    const cancel = clock.after(GRACE, () => {
      cancelGrace();
      for (const host of hosts) host.isAwaited = false;
      choose();
    });
    cancelGrace = () => {
      cancel();
      isGraceOn = false;
    };
  }

  function speakOf(other: Server, best: Server): void {
    const fields = { host: nameOf(other), primary: nameOf(best) };
    const key = `${fields.host} ${other.system} ${other.timeline}`;
    if (spokenOf.has(key)) return;
    spokenOf.add(key);
    if (other.system === best.system) log.error("an old primary of PostgreSQL still takes writes: stop it", fields);
    else log.error("two hosts of store.url are no primary and standby, but two databases: remove one", fields);
  }

  function speakOfCommits(server: Server): void {
    const host = nameOf(server);
    if (server.isSynchronous) log.info("PostgreSQL waits for a standby with each commit again", { host });
    else log.warn("PostgreSQL waits for no standby any more: a failover may lose what was acknowledged", { host });
  }

  function question(): void {
    isKnown = false;
    cancelGrace();
    for (const host of hosts) {
      host.isAwaited = true;
      host.answer = { refused: lineOf(host, "has not answered yet") };
      void look(host);
    }
  }

  function why(): string {
    const refused = hosts.flatMap(({ answer }) => {
      if ("refused" in answer) return [answer.refused];
      return isOld(answer) ? [lineOf(answer, "is an old primary")] : [];
    });
    return `no PostgreSQL of store.url takes writes: ${refused.join("; ")}`;
  }

  let beat = clock.elapsed();
  function noticeGap(): void {
    const now = clock.elapsed();
    const isGap = now - beat > BEAT + LONGEST_GAP;
    beat = now;
    if (isGap) question();
  }
  const stopBeat = every(BEAT, clock, noticeGap);
  for (const host of hosts) void look(host);

  return {
    async find({ once = false } = {}) {
      noticeGap();
      if (isClosed) throw closed();
      if (isKnown) return current!;
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject, once });
      });
    },
    last: () => current,
    isKnown() {
      noticeGap();
      return isKnown;
    },
    // A host that has no answer was asked, too: within 2 s it counts as gone.
    confirmedAt: () => (isKnown ? Math.min(...hosts.map(({ askedAt }) => askedAt)) : -1),
    isCurrent: (server) => current === null || isSame(server, current),
    question,
    why,
    async close() {
      isClosed = true;
      stopBeat();
      cancelGrace();
      for (const { reject } of waiting.splice(0)) reject(closed());
      await Promise.all(
        hosts.map(({ look: { cancelNext }, connection }) => {
          cancelNext();
          return connection?.end();
        }),
      );
    },
  };
}

/** The same server in the same life of it. */
function isSame(a: Pick<Server, "host" | "port" | "system" | "timeline">, b: typeof a): boolean {
  return a.host === b.host && a.port === b.port && a.system === b.system && a.timeline === b.timeline;
}

export function closed(): RelayError {
  return new RelayError("store_unavailable", "the store is closed");
}
