import { errorLine, RelayError } from "../../../errors.ts";
import type { Answer, Connection, Query } from "./connection.ts";
import { CommitInDoubt, stateOf, translated } from "./errors.ts";

/** A transaction under way. */
export type Transaction = {
  /**
   * Sends at once; many may be under way, and are answered in their order. Rejects with the server's own error, and where the
   * transaction has ended; never throws. Need not be awaited: what was not rides along with COMMIT, and its failure fails the
   * transaction.
   */
  query(query: Query): Promise<Answer>;
  /** What is sent in between goes out together. */
  cork(): void;
  uncork(): void;
  /** The connection is left in a state that ROLLBACK does not undo: it is of no use any more. */
  cut(why: Error): void;
};

/**
 * `readonly`: it sees one moment, and writes nothing. `within`: how long it may take in all, in milliseconds. `isLong`: it may take
 * long; of those some only are under way at once, so that the others find a connection.
 */
export type Begin = { readonly?: boolean; within?: number; isLong?: boolean };

const BEGIN = { name: "wire_begin", text: "BEGIN", values: [] };
const BEGIN_TO_READ = { name: "", text: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", values: [] };
const COMMIT = { name: "wire_commit", text: "COMMIT", values: [] };
const ROLLBACK = { name: "wire_rollback", text: "ROLLBACK", values: [] };

/**
 * Runs `work` in a transaction of a connection. COMMIT is sent in the turn in which `work` resolves, behind all that it has sent,
 * and is judged: only the tag COMMIT without a warning is a commit. Rejects with CommitInDoubt where that is not known, and
 * else, rolled back, with the first error of a statement, or what `work` threw. A connection that is lost ends it at any time.
 */
export async function transact<T>(
  connection: Connection,
  work: (tx: Transaction) => Promise<T>,
  { readonly = false }: Begin = {},
): Promise<T> {
  /** The first error of a statement, and so the cause of all others. */
  let failure: Error | null = null;
  let isOver = false;
  let isCommitting = false;
  let unanswered = 0;
  let warning: string | null = null;

  function put(query: Query): Promise<Answer> {
    unanswered++;
    const answered = new Promise<Answer>((resolve, reject) => {
      connection.send(query, (error, answer) => {
        unanswered--;
        if (error === null) return resolve(answer!);
        failure ??= error;
        reject(error);
      });
    });
    answered.catch(() => {});
    return answered;
  }

  const { promise: isLost, reject: lose } = Promise.withResolvers<never>();
  isLost.catch(() => {});
  connection.listen({
    lost: lose,
    warned(text) {
      // The warnings of the statements before it have come with their answers.
      if (isCommitting && unanswered === 1) warning ??= text;
    },
  });
  try {
    void put(readonly ? BEGIN_TO_READ : BEGIN);
    let result: T;
    try {
      // Work may wait for something else than an answer.
      result = await Promise.race([work(facade()), isLost]);
      if (failure !== null) throw failure;
      if (connection.lost() !== null) throw connection.lost();
    } catch (error) {
      isOver = true;
      await put(ROLLBACK).catch((again) => connection.cut(again));
      throw translated(failure ?? error);
    }
    isOver = true;
    isCommitting = true;
    await commit();
    return result;
  } finally {
    connection.listen(null);
  }

  async function commit(): Promise<void> {
    let command: string;
    try {
      ({ command } = await put(COMMIT));
    } catch (error) {
      // Rolled back for certain: a statement failed before, or the server refused by a rule of its tables, or for a conflict.
      if (hasAnswered(failure) && (failure !== error || isRefusal(error))) throw translated(failure);
      if (readonly) throw translated(error);
      throw new CommitInDoubt(errorLine(error), { cause: error });
    }
    if (command !== "COMMIT") throw translated(failure ?? refused(`PostgreSQL answered COMMIT with ${command}`));
    if (warning !== null && !readonly) throw new CommitInDoubt(warning);
  }

  function facade(): Transaction {
    return {
      query(query) {
        return isOver ? late(query) : put(query);
      },
      cork: connection.cork,
      uncork: connection.uncork,
      cut(why) {
        if (!isOver) connection.cut(why);
      },
    };
  }
}

/** A connection may be lost at any time: work that goes on then must not end the process, whatever turn it asks in. */
function late({ text }: Query): Promise<never> {
  const refused = Promise.reject(new Error(`a statement came after the end of its transaction: ${text}`));
  refused.catch(() => {});
  return refused;
}

/** The server itself has said so, and not the connection's end. */
function hasAnswered(error: unknown): boolean {
  return stateOf(error) !== null;
}

function refused(why: string): RelayError {
  return new RelayError("store_unavailable", why);
}

/** Integrity of the tables, or a conflict: the server rolls back before it says so. */
function isRefusal(error: unknown): boolean {
  return /^(23|40)/.test(stateOf(error) ?? "");
}
