import type { Backups } from "./backups.ts";
import type { StoreVerbs } from "./store.ts";

/**
 * How a verb is run.
 * - `read`: it changes nothing.
 * - `write`: one transaction. `durable`: what it wrote must survive a crash once it has answered; what is not durable
 *   (leases) a start makes good. `bytes`: about how many it writes, where that is much.
 * - `several`: it makes its own transactions.
 */
export type VerbLine<Args extends unknown[]> =
  | { does: "read" }
  | { does: "write"; durable: boolean; bytes(...args: Args): number }
  | { does: "several" };

type Verbs<Port> = { [Verb in keyof Port]: (...args: never[]) => Promise<unknown> };

/** One line per verb of a port; one that has no line does not compile. */
export type VerbTable<Port extends Verbs<Port>> = { [Verb in keyof Port]: VerbLine<Parameters<Port[Verb]>> };

const read = { does: "read" } as const;
const write = { does: "write", durable: true, bytes: () => 0 } as const;
const lease = { does: "write", durable: false, bytes: () => 0 } as const;
const several = { does: "several" } as const;

export const storeVerbs: VerbTable<StoreVerbs> = {
  accept: { ...write, bytes: ({ body }) => body.length },
  quarantine: { ...write, bytes: ({ body }) => body.length },

  claimDownloads: lease,
  claimDeliveries: lease,
  claimUploads: lease,
  claimDeletions: lease,
  renew: lease,
  refreshUpload: lease,
  // The file is put once this has answered: its place must be known whatever happens then.
  placeUpload: write,
  settleDownload: write,
  settleUpload: write,
  settleDeletion: write,
  settleDelivery: write,
  freeLeases: lease,

  isCopyWanted: read,
  spooledMedia: read,
  reviveSpooled: write,
  isSpooled: read,
  raiseRisks: write,
  nextRisk: read,
  targetId: write,
  targets: read,
  skipMedia: write,

  bringForward: write,
  seenAt: write,
  changeMark: read,

  event: read,
  eventBody: read,
  eventMedia: read,
  events: read,
  replay: write,

  delivery: read,
  deliveries: read,
  retryDelivery: write,
  cancelDelivery: write,
  endpoints: read,
  pauseEndpoint: write,
  resumeEndpoint: write,

  video: read,
  videos: read,
  videosOfContext: read,
  importContexts: write,
  forgetVideo: several,

  medium: read,
  media: read,
  mediumByKey: read,
  retryMedium: write,
  mendMedium: write,

  quarantined: read,
  quarantinedBody: read,
  dropQuarantined: write,

  epoch: read,
  counts: read,
  mediaSecret: write,
  lastCheck: read,
  noteCheck: write,
  probe: several,
};

export const backupVerbs: VerbTable<Backups> = {
  begin: write,
  begun: read,
  end: write,
  note: write,
  list: read,
  last: read,
  noteFailed: write,
  failed: read,
  forget: write,
};

/**
 * What a verb does in an engine. `answer` gives the result without a transaction, where there is nothing to write; else
 * undefined. `patience`: how long a commit that fails is tried again, in milliseconds.
 */
export type Work<Args extends unknown[], Result> =
  | ((...args: Args) => Result | Promise<Result>)
  | { answer?(...args: Args): Result | undefined; run(...args: Args): Result | Promise<Result>; patience?: number };

export type Works<Port extends Verbs<Port>> = {
  [Verb in keyof Port]: Work<Parameters<Port[Verb]>, Awaited<ReturnType<Port[Verb]>>>;
};

/** How an engine reads and writes. Each resolves with what `work` returns, a write once that is committed. */
export type Engine = {
  read<T>(work: () => T): Promise<T>;
  write<T>(work: () => T, how?: { bytes?: number; patience?: number }): Promise<T>;
};

type AnyWork = Exclude<Work<unknown[], unknown>, (...args: never) => unknown>;

/** The verbs of a port, made from its table and what an engine does for each. */
export function makeVerbs<Port extends Verbs<Port>>(
  table: VerbTable<Port>,
  works: Works<Port>,
  { read, write }: Engine,
): Port {
  const make = (line: VerbLine<unknown[]>, { answer, run, patience }: AnyWork) => {
    if (line.does === "read") return (...args: unknown[]) => read(() => run(...args));
    if (line.does === "several") return (...args: unknown[]) => run(...args);
    return async (...args: unknown[]) => {
      const answered = answer?.(...args);
      if (answered !== undefined) return answered;
      return write(() => run(...args), { bytes: line.bytes(...args), ...(patience !== undefined && { patience }) });
    };
  };
  const verbs = Object.keys(table).map((name) => {
    const work = works[name as keyof Port] as AnyWork | AnyWork["run"];
    const line = table[name as keyof Port] as VerbLine<unknown[]>;
    return [name, make(line, typeof work === "function" ? { run: work } : work)];
  });
  return Object.fromEntries(verbs);
}
