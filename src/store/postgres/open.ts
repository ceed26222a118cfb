import type { Ports } from "../../ports.ts";
import { forgetInPieces } from "../core/events/forget.ts";
import * as downloads from "../core/media/downloads.ts";
import { createMemory, forgetSizes } from "../core/memory.ts";
import { createRules, OF_ALL } from "../core/rules.ts";
import { apart, job, Outdated, sql } from "../core/tx.ts";
import { COMMIT_BOUNDS } from "../counts.ts";
import { createHistogram } from "../histogram.ts";
import { type Opening, reconfigured } from "../settings.ts";
import type { Store, StoreOptions, StoreVerbs } from "../store.ts";
import { type Engine, makeVerbs, storeVerbs, type Works } from "../verbs.ts";
import { type Batch, claimedBy, createRunner, type Result } from "./batch.ts";
import { createAdmission } from "./epoch/admission.ts";
import { dropNames } from "./epoch/bring-back.ts";
import { deciding } from "./epoch/decisions.ts";
import { createHandOver, createHearing, dropOld as dropHandedOver, type Handed, NEWEST } from "./epoch/hand-over.ts";
import { createLife, OtherLife } from "./epoch/life.ts";
import { endOlder } from "./epoch/programs.ts";
import { createRecall } from "./epoch/recall.ts";
import { createIdBlocks, MoreIds } from "./ids.ts";
import type { Kind } from "./locks.ts";
import { createQueue, type Time } from "./queue.ts";
import * as receipts from "./receipts.ts";
import { noBackups } from "./relays/no-backups.ts";
import { ensureNode, readNode } from "./relays/node.ts";
import { othersMirror, relayWorks } from "./relays/nodes.ts";
import * as setBack from "./relays/set-back.ts";
import { checkSchema, migrate } from "./schema/migrate.ts";
import { toQuery } from "./statements.ts";
import { indexWork, titles } from "./titles.ts";
import { createUnanswered } from "./unanswered.ts";
import { CommitInDoubt, isTrouble } from "./wire/errors.ts";
import type { Wire } from "./wire/open.ts";

/** How many ids a job draws with its transaction; more where that is not enough. Most that claim need none. */
const IDS: Record<Kind, number> = { videos: 16, several: 1024, claims: 1, media: 4, apart: 4, all: 256 };

const SIZE = sql<[], { bytes: number }>("SELECT pg_database_size(current_database()) AS bytes");
const MARK = "SELECT coalesce(sum(value), 0) AS mark FROM counts WHERE name = 'commits'";
type Looked = Awaited<ReturnType<StoreVerbs["look"]>> & { decided: number | null };
const LOOK = sql<[], Looked>(
  `SELECT (${MARK}) AS mark, (SELECT min(risk_at) FROM media WHERE risk_at IS NOT NULL) AS "nextRisk", ${NEWEST} AS decided`,
);
const PROBE = sql<[]>(
  "INSERT INTO meta (name, value) VALUES ('probe', '') ON CONFLICT (name) DO UPDATE SET value = ''",
);

const probe = apart("audit", async (tx) => tx.write(PROBE, []));

export type Way = Pick<Wire, "transaction" | "query" | "close" | "guard" | "onLost" | "confirmedAt" | "onJump">;

/**
 * Opens the store of a database, which the relay migrates; an operator's command works beside it. The wire is closed with the
 * store, and where it cannot be opened.
 */
export async function openPostgresStore(
  opening: Opening,
  wire: Way,
  ports: Ports,
  options: Pick<StoreOptions, "role">,
): Promise<Store> {
  try {
    return await openOn(wire, opening, ports, options);
  } catch (error) {
    await wire.close();
    throw error;
  }
}

async function openOn(
  wire: Way,
  { dataDir, settings: given }: Opening,
  { clock, log, random }: Ports,
  { role }: Pick<StoreOptions, "role">,
): Promise<Store> {
  const node = role === "relay" ? ensureNode(dataDir, random) : (readNode(dataDir) ?? "");
  const life = createLife();
  wire.guard(createAdmission({ life, clock, random, log }));
  await (role === "relay" ? migrate(wire) : checkSchema(wire));
  const readLife = () => wire.transaction((transaction) => life.read(transaction.query), { readonly: true });
  await readLife();
  if (role === "relay") await endOlder(wire);

  const settings = { ...given };
  const memory = createMemory();
  const blocks = createIdBlocks(clock);
  const surroundings = {
    ...{ settings, dataDir, memory, titles, now: clock.now },
    relay: { isAlone: false, isOwn: `node = '${node}'`, writer: role === "relay" ? node : `${node}/command` },
  };
  const runner = createRunner(surroundings, blocks);
  const [seconds, writes] = [createHistogram(COMMIT_BOUNDS.seconds), createHistogram(COMMIT_BOUNDS.writes)];
  let droppedAt = clock.now();
  let isDropping = false;

  async function commit(batch: Batch, time: Time): Promise<Result[]> {
    let ids = IDS[batch.kind];
    for (;;) {
      try {
        return await commitOnce(batch, ids, time);
      } catch (error) {
        if (error instanceof OtherLife) await readLife();
        else if (error instanceof MoreIds) ids *= 16;
        else throw error;
      }
    }
  }

  async function commitOnce(batch: Batch, ids: number, { until, asked }: Time): Promise<Result[]> {
    // One for each try.
    const token = receipts.newToken(random);
    let results: Result[] | null = null;
    try {
      await wire.transaction(
        async (transaction) => {
          // What the rings hold may have been changed by other stores.
          forgetSizes(memory.rings);
          results = await runner.run(transaction, batch, { token, ids, at: clock.now(), node, life: life.now() });
        },
        { within: until - clock.elapsed() },
      );
      life.touch(clock.now());
      return results!;
    } catch (error) {
      blocks.forget();
      if (!(error instanceof CommitInDoubt) || results === null) throw error;
      try {
        if (await receipts.wasCommitted(wire, token, { clock, until: asked })) return results;
      } catch (notKnown) {
        unanswered.add(token, claimedBy(batch, results));
        throw notKnown;
      }
      throw error;
    }
  }

  const queue = createQueue({
    clock,
    commit,
    isTrouble,
    isPassing,
    committed(commit) {
      seconds.add(commit.seconds);
      writes.add(commit.writes);
      void dropOld().catch(() => {});
    },
    onTrouble(error) {
      if (error !== null) log.error("store in trouble", { error });
      else log.info("store recovered");
    },
    probe,
  });

  /** Each piece has its turn among the other writes. */
  async function dropOld(): Promise<void> {
    const now = clock.now();
    if (isDropping || Math.abs(now - droppedAt) < receipts.DROP_EVERY) return;
    droppedAt = now;
    isDropping = true;
    try {
      while (await queue.write(receipts.dropOld(now)));
      while (await queue.write(dropNames(now, random)));
      await queue.write(dropHandedOver(now));
    } finally {
      isDropping = false;
    }
  }

  const read: Engine["read"] = async (job, { beside = false } = {}) => {
    const how = { readonly: job.isLive !== true, isLong: beside };
    for (;;) {
      const known = life.now();
      try {
        return await wire.transaction((transaction) => runner.read(transaction, job, known), how);
      } catch (error) {
        if (!(error instanceof OtherLife)) throw error;
        await readLife();
      }
    }
  };
  const write: Engine["write"] = (job, how) => queue.write(job, how);

  /** One statement alone: a relay that has nothing to do sends little else. */
  const look: StoreVerbs["look"] = async () => {
    const { mark, nextRisk, decided } = (await wire.query(toQuery(LOOK, []))).rows[0] as Looked;
    if (role === "relay") hear(decided);
    return { mark, nextRisk };
  };

  const rules = createRules(settings);
  async function forget(videoId: string, now: number, how: Parameters<typeof forgetInPieces>[3]) {
    const erased = await forgetInPieces({ read, write, clock, isShared: true }, videoId, now, how);
    await write(indexWork.run(videoId));
    return erased;
  }

  const works: Works<StoreVerbs, typeof storeVerbs> = {
    ...rules,
    indexTitles: indexWork,
    ...relayWorks({ wire, clock, node, life }, { read, write }),
    skipMedia: (now) => downloads.skippingSome(now, async (tx) => !(await othersMirror(tx, node, now))),
    changeMark: async () => (await look()).mark,
    look,
    async forgetVideo(videoId, now, actor) {
      const asked = clock.now();
      const erased = await forget(videoId, now, { actor });
      const deed = { verb: "videos forget", subject: videoId, count: erased.events, outcome: "done" } as const;
      if (actor) await decided({ actor, call: { verb: "forgetVideo", args: [videoId, now] }, deed, of: null, asked });
      return erased;
    },
    // What is free in it the database gives to other rows by itself.
    space: async () => ({ bytes: (await read(job((tx) => tx.get(SIZE, []))))!.bytes, free: 0, givesBack: false }),
    giveBack: async () => {},
    probe: () => queue.write(probe, { patience: 0 }),
    commits: async () => ({ seconds: seconds.now(), writes: writes.now() }),
    checkpoint: async () => {},
  };

  const verbs = makeVerbs<StoreVerbs, typeof storeVerbs>(storeVerbs, works, { read, write });
  const unanswered = createUnanswered({ wire, clock, giveBack: (claimed) => verbs.renew(claimed, 0) });
  const recall = createRecall({
    ...{ wire, life, write, readLife, settings, clock, random, log, rules },
    forget: (videoId, until) => forget(videoId, until, { until }),
  });

  const handOver = createHandOver({ read, write }, { clock, log });
  const hear = createHearing({ read, write }, recall.decided);
  async function decided(decision: Omit<Handed, "answered">): Promise<void> {
    const answered = { ...decision, answered: clock.now() };
    recall.decided(answered);
    if (role !== "relay") await handOver.add(answered);
  }

  /** How far the database's clock was set back in all, by what this relay has seen. */
  let seenBack = role === "relay" ? await read(setBack.setBack()) : 0;

  let isClosed = false;
  return {
    ...verbs,
    async accept(received) {
      const accepted = await verbs.accept(received);
      recall.acknowledged(received, accepted);
      return accepted;
    },
    async act(actor, call) {
      const asked = clock.now();
      const { result, ...decision } = await write(deciding(rules, actor, call));
      await decided({ actor, call, asked, ...decision });
      return result;
    },
    async bringForward(by, now) {
      seenBack = await write(setBack.follow(seenBack + by, now), { longest: OF_ALL });
    },
    shared: { clock, onJump: wire.onJump },
    backups: noBackups,
    configure: (changed) => void Object.assign(settings, reconfigured(settings, changed)),
    trouble: queue.trouble,
    damage: () => null,
    disproveDamage() {},
    wasUnclean: () => false,
    async close() {
      if (isClosed) return;
      isClosed = true;
      await handOver.close();
      await Promise.all([recall.close(), unanswered.close()]);
      await queue.close();
      await wire.close();
    },
  };
}

/** Two stores have met the first event of one video at once, the other's is there by now; or an endpoint's answers. */
function isPassing(error: unknown): boolean {
  if (error instanceof Outdated) return true;
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return code === "23505" && constraint === "videos_video_id_key";
}
