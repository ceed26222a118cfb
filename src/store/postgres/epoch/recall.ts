import { codeOf, errorLine } from "../../../errors.ts";
import { sleep } from "../../../platform/timing.ts";
import type { Clock, Log, Random } from "../../../ports.ts";
import type { AuditedWorks } from "../../core/audit.ts";
import type { StoreSettings } from "../../settings.ts";
import type { Accepted, Received } from "../../store.ts";
import type { Engine } from "../../verbs.ts";
import { isTrouble } from "../wire/errors.ts";
import type { Wire } from "../wire/open.ts";
import { beginEpoch } from "./begin.ts";
import { isThere, type Restored, storeAgain } from "./bring-back.ts";
import { again, areThere, type Decision, forgetAgain, isForgetting, nameOf } from "./decisions.ts";
import type { Handed } from "./hand-over.ts";
import type { KnownLife } from "./life.ts";
import { type Acknowledged, createRing, KEPT } from "./ring.ts";

/** Before what failed is tried again, in milliseconds. */
const PAUSE = 250;

/** Events that are looked for in one transaction, and that are stored again in one: nothing else is written meanwhile. */
const PER_LOOK = 1_000;
const PER_PIECE = 20;

/** Names that a line of the log has at most. */
const NAMED = 20;

/** Decisions that are remembered, at most. */
const MOST_DECISIONS = 10_000;

/** What a decision is about may have to be stored again by another relay first: it is waited for, milliseconds. No delivery is claimed meanwhile. */
const OTHERS_NEED = { pause: 1_000, most: 20_000 };

/** How long a stop waits for what is owed, in milliseconds. */
const LAST_PATIENCE = 3_000;

type Options = {
  wire: Pick<Wire, "transaction" | "onLost" | "confirmedAt">;
  life: KnownLife;
  readLife(): Promise<void>;
  write: Engine["write"];
  /** What audited verbs do, and the erasure of a video up to what was received by then. */
  rules: AuditedWorks;
  forget(videoId: string, now: number): Promise<unknown>;
  settings: StoreSettings;
  clock: Clock;
  random: Random;
  log: Log;
};

async function sequence<T, R>(all: T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const one of all) results.push(await work(one));
  return results;
}

export type Recall = {
  /** Called in the turn in which the answer goes out. */
  acknowledged(received: Received, accepted: Accepted): void;
  /** The same, of what an operator has decided, here or by a command. */
  decided(decision: Handed): void;
  /** Waits a moment for a look that is owed. */
  close(): Promise<void>;
};

/**
 * Remembers what was acknowledged within the last minute, events and what operators have decided. A server that takes over
 * without all that the one before had committed says nothing of it: so after each lost connection this looks whether all of it is
 * there, and stores again, or does again, what is not. What is to be erased goes first.
 * Nothing is forgotten between the loss and the look, nor before all hosts were asked after its minute, and the server was the same.
 */
export function createRecall({
  wire,
  life,
  readLife,
  write,
  settings,
  clock,
  random,
  log,
  ...options
}: Options): Recall {
  const ring = createRing();
  let decisions: Decision[] = [];
  /** Lost connections, and those of them after which all was looked for. */
  let lost = 0;
  let looked = 0;
  let looking: Promise<void> | null = null;
  let isClosed = false;
  let spilledAt = Number.NEGATIVE_INFINITY;

  wire.onLost(() => {
    lost++;
    if (!isClosed) looking ??= look();
  });

  async function look(): Promise<void> {
    while (looked !== lost) {
      const upTo = lost;
      try {
        await lookOnce();
        looked = upTo;
      } catch (error) {
        log.debug("what was acknowledged cannot be looked for yet", { error: errorLine(error) });
        await sleep(PAUSE, clock);
        if (isClosed) break;
      }
    }
    looking = null;
  }

  async function lookOnce(): Promise<void> {
    const kept = [...decisions];
    const there = kept.length === 0 ? [] : await write(areThere(kept));
    const undone = kept.filter((_, index) => !there[index]);
    await doAgain(undone.filter(isForgetting));
    await lookForEvents();
    await doAgain(undone.filter((one) => !isForgetting(one)));
  }

  async function lookForEvents(): Promise<void> {
    const all = ring.all();
    for (let at = 0; at < all.length; at += PER_LOOK) {
      const some = all.slice(at, at + PER_LOOK);
      const known = await write(isThere(some.map(({ name }) => name)));
      const missing = some.filter((_, index) => !known[index]);
      if (missing.length > 0) await bringBack(missing);
    }
  }

  async function bringBack(missing: Acknowledged[]): Promise<void> {
    const before = life.now();
    // Where the epoch has changed since, it was for this loss.
    if (missing.some(({ epoch }) => epoch === before.epoch)) {
      const isWanted = ({ epoch }: { epoch: string }) => epoch === before.epoch;
      const begin = {
        now: clock.now(),
        seen: before.number,
        answeredAt: life.touchedAt(),
        random,
        isWanted,
        restoredBy: null,
      };
      const number = await wire.transaction((transaction) => beginEpoch(transaction, begin));
      if (number !== null) log.warn("PostgreSQL has lost what it had committed: a new epoch", { number });
      await readLife();
    }
    const counted: Record<Restored, string[]> = { stored: [], repeated: [], known: [], erased: [], failed: [] };
    try {
      for (let at = 0; at < missing.length; at += PER_PIECE) {
        const piece = missing.slice(at, at + PER_PIECE);
        const restored = await storePiece(piece);
        for (const [index, what] of restored.entries()) counted[what].push(piece[index]!.name);
        ring.renew(new Set(piece), { epoch: life.now().epoch, at: clock.elapsed() });
      }
    } finally {
      // Also where a later piece failed: at the next look these are there.
      say(counted);
    }
    await readLife();
  }

  /** In their order. One that cannot be done takes no other along, and is not tried again before the next loss. */
  async function doAgain(some: Decision[]): Promise<void> {
    const until = clock.elapsed() + OTHERS_NEED.most;
    const done: string[] = [];
    try {
      for (let left = some; left.length > 0; ) {
        const isLast = clock.elapsed() >= until || isClosed;
        const lacking: Decision[] = [];
        for (const one of left) {
          const error = await doOne(one, done);
          if (error === null) one.at = clock.elapsed();
          else if (codeOf(error) === "not_found" && !isLast) lacking.push(one);
          else sayUndone(one, error);
        }
        left = lacking;
        if (left.length > 0) await sleep(OTHERS_NEED.pause, clock);
      }
    } finally {
      if (done.length > 0) {
        log.error("PostgreSQL had lost what operators had decided: it is done again", {
          ...{ decisions: done.length, done: done.slice(0, NAMED).join(", ") },
        });
      }
    }
  }

  /** Why it cannot be done; null: it is done. */
  async function doOne(one: Decision, done: string[]): Promise<unknown> {
    try {
      const how = { write, forget: options.forget };
      const isNeeded = isForgetting(one) ? await forgetAgain(how, one) : await write(again(options.rules, one));
      if (isNeeded) done.push(nameOf(one));
      return null;
    } catch (error) {
      if (isTrouble(error)) throw error;
      return error;
    }
  }

  function sayUndone(one: Decision, error: unknown): void {
    log.error("PostgreSQL had lost what an operator had decided, and it cannot be done again", {
      ...{ decision: nameOf(one), error: errorLine(error) },
    });
  }

  /** One that cannot be stored takes no other along, and is not tried again before the next loss. */
  async function storePiece(piece: Acknowledged[]): Promise<Restored[]> {
    try {
      return await write(storeAgain(piece, settings, random));
    } catch (error) {
      if (isTrouble(error)) throw error;
      if (piece.length > 1) return (await sequence(piece, (one) => storePiece([one]))).flat();
      const { name } = piece[0]!;
      log.error("PostgreSQL had lost an event that was acknowledged, and it cannot be stored again", {
        ...{ id: name, error: errorLine(error) },
      });
      return ["failed"];
    }
  }

  function say({ stored, repeated }: Record<Restored, string[]>): void {
    if (stored.length + repeated.length === 0) return;
    log.error("PostgreSQL had lost events that were acknowledged: they are stored again, late", {
      ...{ events: stored.length, repeated: repeated.length },
      ids: [...stored, ...repeated].slice(0, NAMED).join(" "),
    });
  }

  function forgetOld(): void {
    if (looked !== lost) return;
    const upTo = wire.confirmedAt() - KEPT;
    ring.forget(upTo);
    if (decisions.length > 0) decisions = decisions.filter(({ at }) => at > upTo);
  }

  return {
    decided(decision) {
      forgetOld();
      decisions.push({ ...decision, at: clock.elapsed() });
      if (decisions.length > MOST_DECISIONS) decisions.shift();
    },
    acknowledged({ lease: _, ...received }, { id: name, videoId }) {
      const { epoch } = life.now();
      const at = clock.elapsed();
      forgetOld();
      const dropped = ring.add({ name, videoId, received, epoch, at });
      if (dropped === 0 || at - spilledAt < KEPT) return;
      spilledAt = at;
      log.error(
        "more is acknowledged within a minute than can be remembered: a failover that loses some of it goes unnoticed",
      );
    },
    async close() {
      if (looking !== null) await Promise.race([looking, sleep(LAST_PATIENCE, clock)]);
      isClosed = true;
    },
  };
}
