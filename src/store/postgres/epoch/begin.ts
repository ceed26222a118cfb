import type { Random } from "../../../ports.ts";
import { LOCK } from "../schema/locks.ts";
import type { Answer, Query } from "../wire/connection.ts";
import { IDENTITY } from "../wire/session.ts";
import type { Transaction } from "../wire/transaction.ts";

/**
 * What a database says of itself. `server`: the one that its epoch is of; `here`: the one that is asked. `oldest`: a program
 * that knows fewer steps of the schema must not work on it.
 */
export type State = { server: string; here: string; epoch: string; number: number; oldest: number; mark: string };

/** Whom the audit names. */
type Actor = { through: string; by: string };

export type Begin = {
  /** By the database's time, in milliseconds since 1970. */
  now: number;
  /** The greatest number of an epoch that is known beside the database's own. */
  seen: number;
  random: Random;
  /** When this program last had an answer of the database; now, where it had none. */
  answeredAt?: number;
  /** Asked once nothing else can begin one: whether another is still wanted. */
  isWanted(state: State): boolean;
  /** The database was put back by hand, by this one: what it has as not done may have been done. Null: a server took over. */
  restoredBy: Actor | null;
  /** Nothing of the epoch before is lost. */
  isWhole?: boolean;
};

/** The least of numbers between two epochs: more events than a video gets between a backup and its restore. */
const STEP = 2 ** 20;

/** A relay writes down that it is there more often: longer ago, the database is an old one. Milliseconds. */
const LONGEST_UNSEEN = 10 * 60_000;

const query = (text: string, ...values: Query["values"]): Query => ({ name: "", text, values });

const meta = (name: string) => `(SELECT value FROM meta WHERE name = '${name}')`;

const STATE = query(`SELECT ${IDENTITY} AS here, convert_from(${meta("server")}, 'UTF8') AS server,
  encode(${meta("epoch")}, 'hex') AS epoch, encode(${meta("names")}, 'hex') AS mark,
  (SELECT number FROM epochs ORDER BY id DESC LIMIT 1) AS number,
  coalesce(convert_from(${meta("oldest")}, 'UTF8')::int, 0) AS oldest`);

export async function readState(ask: (query: Query) => Promise<Answer>): Promise<State> {
  return (await ask(STATE)).rows[0] as State;
}

/**
 * Begins another epoch of the database, where one is wanted, and gives its number; null: it is not. Nothing that is about a
 * video is under way meanwhile: what waits is of the new epoch. What was claimed in the one before cannot be settled any more.
 */
export async function beginEpoch(
  transaction: Transaction,
  { now, seen, answeredAt = now, random, isWanted, restoredBy, isWhole = false }: Begin,
): Promise<number | null> {
  const ask = transaction.query;
  const [, , state] = await Promise.all([
    ask(query(`SELECT pg_advisory_xact_lock(${LOCK.all}, 0)`)),
    ask(query("LOCK TABLE videos IN EXCLUSIVE MODE")),
    readState(ask),
  ]);
  if (!isWanted(state)) return null;
  const last = Math.max(state.number, seen);
  const number = now > last ? Math.floor(now) : last + STEP;
  const bytes = () => random.bytes(16);
  const [, begun] = await Promise.all([
    ask(query(`SELECT pg_advisory_xact_lock(${LOCK.ids}, 0)`)),
    // Ids of before are less.
    ask(
      query(
        `INSERT INTO epochs (first, tag, number, began_at)
           SELECT setval('ids', last_value + 1), floor(random() * 1073741824), $1, $2 FROM ids RETURNING first`,
        number,
        now,
      ),
    ),
    ask(
      query(
        `INSERT INTO meta (name, value) VALUES ('epoch', $1), ('names', $2), ('server', convert_to(${IDENTITY}, 'UTF8'))
           ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
        bytes(),
        bytes(),
      ),
    ),
  ]);
  // Some of them may have ended, and some links have been used, in what is lost.
  if (!isWhole) await ask(query("DELETE FROM sessions"));
  if (restoredBy !== null || (await isUnseen(ask, answeredAt))) {
    await ask(
      query(
        `UPDATE tasks SET state = 'canceled', ended_at = $1, error = 'the database was restored' WHERE ended_at IS NULL`,
        now,
      ),
    );
  }
  if (restoredBy !== null) {
    await ask(
      query(
        `INSERT INTO audit (id, at, through, actor, verb, subject, count, outcome)
           VALUES ($1, $2, $3, $4, 'restore', '--new-epoch', NULL, 'done')`,
        ...[begun.rows[0]!.first as number, now, restoredBy.through, restoredBy.by],
      ),
    );
  }
  return number;
}

/** Whether no relay had been there for long at that time, by what the database knows: it is an older one. */
async function isUnseen(ask: (query: Query) => Promise<Answer>, at: number): Promise<boolean> {
  const { rows } = await ask(query("SELECT max(seen_at) AS seen FROM nodes"));
  const seen = rows[0]?.seen as number | null | undefined;
  return seen != null && at - seen > LONGEST_UNSEEN;
}
