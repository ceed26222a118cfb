import type { Backups } from "./backups.ts";
import type { Job } from "./core/tx.ts";
import type { StoreVerbs } from "./store.ts";

/**
 * How a verb is run.
 * - `read`: it changes nothing.
 * - `write`: one transaction. `durable`: what it wrote must survive a crash once it has answered; what is not durable
 *   (leases) a start makes good. `carriesBody`: its one argument is plain data (JSON) but for the bytes of its `body`, and so is
 *   its answer but for what it has `leased`.
 * - `own`: the engine does it in its own way, with transactions of its own.
 *
 * `beside`: it may take long, and must hold no writer up: an engine on threads does it on another connection.
 */
export type VerbLine =
  | { does: "read"; beside?: true }
  | { does: "write"; durable: boolean; carriesBody?: true }
  | { does: "own"; beside?: true };

/** What carries most of what is written. */
export type WithBody = { body: Uint8Array };

type Verbs<Port> = { [Verb in keyof Port]: (...args: never[]) => Promise<unknown> };

/** One line per verb of a port; one that has no line does not compile. */
export type VerbTable<Port extends Verbs<Port>> = { [Verb in keyof Port]: VerbLine };

const read = { does: "read" } as const;
const longRead = { does: "read", beside: true } as const;
const write = { does: "write", durable: true } as const;
const lease = { does: "write", durable: false } as const;
const own = { does: "own" } as const;

export const storeVerbs = {
  accept: { ...write, carriesBody: true },
  quarantine: { ...write, carriesBody: true },

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
  changeMark: own,
  look: own,

  event: read,
  eventBody: read,
  eventMedia: read,
  events: longRead,
  eventsAround: longRead,
  videosAround: longRead,
  heldUp: longRead,
  eventTypes: longRead,
  feed: longRead,
  preview: read,
  replay: write,

  delivery: read,
  deliveries: longRead,
  deliveryReasons: longRead,
  retryDelivery: write,
  cancelDelivery: write,
  endpoints: read,
  pauseEndpoint: write,
  resumeEndpoint: write,

  video: read,
  videos: longRead,
  videosOfContext: longRead,
  importContexts: write,
  forgetVideo: own,
  indexTitles: write,

  medium: read,
  media: longRead,
  mediumByKey: read,
  retryMedium: write,
  mendMedium: write,

  quarantined: longRead,
  quarantinedBody: read,
  countListed: longRead,
  dropQuarantined: write,

  copiesElsewhere: longRead,
  // The file is put once this has answered.
  placeMove: write,
  settleMove: write,
  failedMoves: read,
  forgetFailedMoves: write,
  dropFormerCopies: write,
  noteWait: write,

  countMatching: longRead,
  createTask: write,
  confirmTask: write,
  claimTask: lease,
  renewTask: lease,
  taskPiece: longRead,
  workTask: write,
  createRun: write,
  endRun: write,
  failTask: write,
  task: read,
  tasks: longRead,
  cancelTask: write,

  prune: write,
  countPrunable: longRead,
  oldestBody: read,
  space: own,
  noteReading: write,
  readings: read,
  giveBack: own,

  beginPart: write,
  archivePiece: longRead,
  archiveRest: longRead,
  markArchived: write,
  keepPart: write,
  releaseArchived: write,
  holdArchive: lease,
  strayFiles: read,
  dropFile: write,
  archiveParts: longRead,
  archiveState: read,
  noteArchive: write,
  partToRewrite: read,
  beginRewrite: write,
  keepRewritten: write,
  endErasures: write,
  restoreBodies: write,

  noteRelay: own,
  relays: own,
  takeOver: own,

  act: write,
  noteDeed: write,
  audit: longRead,

  noteAlarms: write,
  alarms: read,
  silenceAlarm: write,
  endSilence: write,
  claimAlerts: lease,
  settleAlerts: write,
  receivers: read,

  beginSession: write,
  session: read,
  sessions: read,
  endSession: write,
  endSessions: write,
  offerLogin: write,
  takeLogin: write,
  ensureAdminToken: write,

  linkSecrets: read,
  ensureLinkSecret: write,
  rotateLinkSecret: write,

  epoch: read,
  counts: longRead,
  tallies: read,
  commits: own,
  publicUrl: read,
  notePublicUrl: write,
  lastCheck: read,
  noteCheck: write,
  probe: own,
  checkpoint: { ...own, beside: true },
} as const satisfies VerbTable<StoreVerbs>;

export const backupVerbs = {
  begin: write,
  begun: read,
  end: write,
  note: write,
  list: read,
  last: read,
  noteFailed: write,
  failed: read,
  forget: write,
} as const satisfies VerbTable<Backups>;

/**
 * What a verb does, as jobs of an engine. `answer` resolves with the result without a transaction, where there is nothing
 * to write; else with undefined. `patience`: how long a commit that fails is tried again, in milliseconds; `longest`: how long its
 * transaction may take, where that is more than others may.
 */
export type Work<Args extends unknown[], Result> =
  | ((...args: Args) => Job<Result>)
  | {
      answer?(...args: Args): Job<Result | undefined>;
      run(...args: Args): Job<Result>;
      patience?: number;
      longest?: number;
    };

/** What each verb of a port does; one that an engine does in its own way is a function. */
export type Works<Port extends Verbs<Port>, Table extends VerbTable<Port>> = {
  [Verb in keyof Port]: Table[Verb] extends { does: "own" }
    ? Port[Verb]
    : Work<Parameters<Port[Verb]>, Awaited<ReturnType<Port[Verb]>>>;
};

type HowToWrite = { line?: "intake" | "work"; bytes?: number; patience?: number; longest?: number };

/**
 * How an engine runs jobs. A write resolves once it is committed. `line`: whether it is an event that comes in, or (default)
 * work; `bytes`: about how many it writes, where that is much.
 */
export type Engine = {
  read<T>(job: Job<T>, how?: { beside?: boolean }): Promise<T>;
  write<T>(job: Job<T>, how?: HowToWrite): Promise<T>;
};

type AnyWork = Exclude<Work<unknown[], unknown>, (...args: never) => unknown>;

/** The verbs of a port, made from its table and from what each does. */
export function makeVerbs<Port extends Verbs<Port>, Table extends VerbTable<Port>>(
  table: Table,
  works: Works<Port, Table>,
  { read, write }: Engine,
): Port {
  const make = (line: VerbLine, { answer, run, patience, longest }: AnyWork) => {
    if (line.does === "read") return (...args: unknown[]) => read(run(...args), line);
    if (line.does === "own") return run;
    // Async, so that it rejects where there is no job to make.
    const begin = async (...args: unknown[]) =>
      write(run(...args), {
        ...(line.carriesBody && { line: "intake", bytes: (args[0] as WithBody).body.length }),
        ...(patience !== undefined && { patience }),
        ...(longest !== undefined && { longest }),
      });
    if (answer === undefined) return begin;
    return async (...args: unknown[]) => (await read(answer(...args))) ?? begin(...args);
  };
  const verbs = Object.keys(table).map((name) => {
    const work = works[name as keyof Port] as AnyWork | AnyWork["run"];
    const line = table[name as keyof Port] as VerbLine;
    return [name, make(line, typeof work === "function" ? { run: work } : work)];
  });
  return Object.fromEntries(verbs);
}
