import { setImmediate } from "node:timers";
import { groupsOf } from "./groups.ts";
import { type Asking, join } from "./statements.ts";
import type { Answer, Query } from "./wire/connection.ts";
import type { Transaction } from "./wire/transaction.ts";

type Asked = { lane: number; query: Asking; resolve(answer: Answer): void; reject(error: unknown): void };

/** Where what comes before all that lanes ask stands. */
export const FIRST = -1;

export type Rounds = {
  /** The answer to a statement, which is sent with the next round. `lane`: whose it is; a round goes out in their order. */
  ask(lane: number, query: Asking): Promise<Answer>;
  /** The same, where nothing waits for the answer. */
  put(lane: number, query: Asking): void;
  /** Sends what nothing waits for, at once: a COMMIT goes out behind it. Throws where something has failed. */
  end(): void;
  /** Undoes the transaction: from now on nothing is sent. The first cause is kept. */
  fail(error: unknown): void;
  hasFailed(): boolean;
};

const ignore = () => {};

/**
 * Jobs that run side by side in one transaction ask in rounds: when all of them wait, all that they ask for is sent together,
 * and none of it is answered before the round before it was. So a batch takes as many round trips as its longest job, and the
 * same batch is always the same statements in the same order. What many of them ask alike is one statement.
 */
export function createRounds(transaction: Transaction): Rounds {
  let asked: Asked[] = [];
  let unanswered = 0;
  let isPlanned = false;
  let failure: { error: unknown } | null = null;

  function sendAll(): void {
    isPlanned = false;
    const round = asked.sort((a, b) => a.lane - b.lane);
    asked = [];
    if (round.length === 0) return;
    if (failure !== null) {
      for (const { reject } of round) reject(failure.error);
      return;
    }
    transaction.cork();
    for (const group of groupsOf(round)) {
      const [{ query }] = group as [Asked];
      if (group.length === 1) go(query, group, (answer) => answer);
      else {
        const values = group.map((one) => one.query.values);
        for (const { query: all, first, count, share } of join(query.of!, values))
          go(all, group.slice(first, first + count), share);
      }
    }
    transaction.uncork();
  }

  function go(query: Query, group: Asked[], share: (answer: Answer, nth: number) => Answer): void {
    unanswered++;
    send(query).then(
      (answer) => {
        answered();
        for (const [nth, { resolve }] of group.entries()) resolve(share(answer, nth));
      },
      (error) => {
        fail(error);
        answered();
        for (const { reject } of group) reject(failure!.error);
      },
    );
  }

  /** A round may go out in a turn of its own, where nothing would catch what is thrown. */
  function send(query: Query): Promise<Answer> {
    try {
      return transaction.query(query);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  function answered(): void {
    unanswered--;
    plan();
  }

  /** Later than all that the last answer sets going. */
  function plan(): void {
    if (isPlanned || unanswered > 0) return;
    isPlanned = true;
    setImmediate(sendAll);
  }

  function fail(error: unknown): void {
    failure ??= { error };
  }

  return {
    ask(lane, query) {
      const answer = new Promise<Answer>((resolve, reject) => asked.push({ lane, query, resolve, reject }));
      // The first failure is thrown by `end`, or by the transaction.
      answer.catch(ignore);
      plan();
      return answer;
    },
    put(lane, query) {
      asked.push({ lane, query, resolve: ignore, reject: ignore });
      plan();
    },
    end() {
      sendAll();
      if (failure !== null) throw failure.error;
    },
    fail,
    hasFailed: () => failure !== null,
  };
}
