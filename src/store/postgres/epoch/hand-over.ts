import { errorLine } from "../../../errors.ts";
import { sleep } from "../../../platform/timing.ts";
import type { Clock, Log } from "../../../ports.ts";
import { SAY_EVERY } from "../../access/relays.ts";
import { PER_MS } from "../../core/rows/numbers.ts";
import { apart, insert, type Job, job, sql } from "../../core/tx.ts";
import type { Engine } from "../../verbs.ts";
import type { Decision } from "./decisions.ts";

// The process of a command ends, and what it has decided is to be remembered: it writes that down for the relays, which read it
// within a second, and ends once one of them has. Until then it remembers it as a relay does.

/** Without the moment from which its keeper counts. */
export type Handed = Omit<Decision, "at">;

/** How long a command waits for a relay, and before it looks again, in milliseconds. */
const PATIENCE = 5_000;
const PAUSE = 100;

/** A relay that has not said for so long that it lives is not waited for, in milliseconds. */
const LONGEST_SILENCE = 3 * SAY_EVERY;

/** What was handed over is kept for so long, in milliseconds: no relay remembers it for longer than a minute. */
const KEPT = 600_000;

/** How many are read at once. */
const PIECE = 100;

type Row = { id: number; decision: string };

const add = insert("handed_over", ["id", "decision", "heard"]);
const AFTER = sql<[number, number], Row>("SELECT id, decision FROM handed_over WHERE id > ? ORDER BY id LIMIT ?");
const HEAR = sql<[number]>("UPDATE handed_over SET heard = 1 WHERE id <= ? AND heard = 0");
const HEARD = sql<[number], { heard: number }>("SELECT heard FROM handed_over WHERE id = ?");
const LIVES = sql<[number], unknown>("SELECT 1 FROM nodes WHERE seen_at > ? LIMIT 1");
const DROP = sql<[number]>("DELETE FROM handed_over WHERE id < ?");

/** Of its table, for the statement by which a relay looks each second. */
export const NEWEST = "(SELECT max(id) FROM handed_over)";

export const dropOld = (now: number): Job<void> =>
  apart("audit", async (tx) => tx.write(DROP, [(now - KEPT) * PER_MS]));

/** Bytes have no form in JSON. */
const toText = (handed: Handed) =>
  JSON.stringify(handed, function (this: Record<string, unknown>, key, value) {
    const given = this[key];
    return given instanceof Uint8Array ? { base64: Buffer.from(given).toString("base64") } : value;
  });

const fromText = (text: string): Handed =>
  JSON.parse(text, (_, value) => {
    const isBytes = typeof value?.base64 === "string" && Object.keys(value).length === 1;
    return isBytes ? new Uint8Array(Buffer.from(value.base64, "base64")) : value;
  });

/** For a command: hands over each decision, and waits at the end. */
export function createHandOver({ read, write }: Engine, { clock, log }: { clock: Clock; log: Pick<Log, "warn"> }) {
  const handed: { text: string; id: number }[] = [];

  const put = (text: string) =>
    write(
      apart("audit", async (tx) => {
        const id = tx.ids.next();
        add(tx, { id, decision: text, heard: 0 });
        return id;
      }),
    );

  /** One that a failover has lost is written again. */
  async function isHeard(one: { text: string; id: number }): Promise<boolean> {
    const row = one.id === 0 ? undefined : await read(job((tx) => tx.get(HEARD, [one.id])));
    if (row === undefined) one.id = await put(one.text);
    return row?.heard === 1;
  }

  const anyLives = () => read(job(async (tx) => (await tx.get(LIVES, [tx.now() - LONGEST_SILENCE])) !== undefined));

  return {
    async add(decision: Handed): Promise<void> {
      const one = { text: toText(decision), id: 0 };
      handed.push(one);
      // It is done, whatever becomes of this; at the end it is tried again.
      one.id = await put(one.text).catch(() => 0);
    },
    async close(): Promise<void> {
      if (handed.length === 0) return;
      const until = clock.elapsed() + PATIENCE;
      try {
        if (!(await anyLives())) return;
        for (const one of handed) {
          while (!(await isHeard(one))) {
            if (clock.elapsed() >= until) throw new Error(`no relay has taken note within ${PATIENCE / 1_000} s`);
            await sleep(PAUSE, clock);
          }
        }
      } catch (error) {
        log.warn("it is done, but a failover of PostgreSQL in this minute may lose it: then run it again", {
          error: errorLine(error),
        });
      }
    },
  };
}

/** For a relay: remembers what commands have handed over. `newest`: the last one, by the relay's look. */
export function createHearing({ read, write }: Engine, remember: (handed: Handed) => void) {
  let upTo = 0;
  let isHearing = false;

  async function hear(): Promise<void> {
    const rows = await read(job((tx) => tx.all(AFTER, [upTo, PIECE])));
    if (rows.length === 0) return;
    for (const { decision } of rows) remember(fromText(decision));
    upTo = rows.at(-1)!.id;
    await write(apart("audit", async (tx) => tx.write(HEAR, [upTo])));
    if (rows.length === PIECE) await hear();
  }

  return (newest: number | null): void => {
    if (newest === null || newest <= upTo || isHearing) return;
    isHearing = true;
    hear()
      .catch(() => {}) // The store logs its own trouble.
      .finally(() => {
        isHearing = false;
      });
  };
}
