import { setImmediate } from "node:timers";
import type { Answer, Query } from "./wire/connection.ts";
import type { Transaction } from "./wire/transaction.ts";

type Asked = { lane: number; query: Query; resolve(answer: Answer): void; reject(error: unknown): void };

export type Rounds = {
  /** The answer to a statement, which is sent with the next round. `lane`: whose it is; a round goes out in their order. */
  ask(lane: number, query: Query): Promise<Answer>;
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
 * same batch is always the same statements in the same order.
 */
export function createRounds(transaction: Transaction): Rounds {
  let asked: Asked[] = [];
  let unanswered = 0;
  let isPlanned = false;
  let failure: { error: unknown } | null = null;

  function send(): void {
    isPlanned = false;
    const round = asked.sort((a, b) => a.lane - b.lane);
    asked = [];
    if (round.length === 0) return;
    if (failure !== null) {
      for (const { reject } of round) reject(failure.error);
      return;
    }
    unanswered += round.length;
    transaction.cork();
    for (const one of round) {
      put(one.query).then(
        (answer) => {
          answered();
          one.resolve(answer);
        },
        (error) => {
          fail(error);
          answered();
          one.reject(failure!.error);
        },
      );
    }
    transaction.uncork();
  }

  /** `send` may run in a turn of its own, where nothing would catch what is thrown. */
  function put(query: Query): Promise<Answer> {
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
    setImmediate(send);
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
    end() {
      send();
      if (failure !== null) throw failure.error;
    },
    fail,
    hasFailed: () => failure !== null,
  };
}
