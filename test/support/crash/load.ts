import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import type { Random } from "../../../src/ports.ts";
import type { Posted, Story, World } from "./world.ts";

/** Connections that the events go over, and how many videos are told at once. */
const LANES = 12;

/** So many events may wait for their delivery before no new story is begun. */
const MOST_WAITING = 200;

export type Load = {
  /** Answers that no documented sender should ever get, and the like. */
  problems: string[];
  /** Different events that were acknowledged so far; and requests that were answered 503. */
  acknowledged(): number;
  refused(): number;
  /** Tells the stories that have begun to their end, and starts no other. Rejects when that takes longer than `ms`. */
  finish(ms: number): Promise<void>;
  /** Ends all sending at once. */
  abort(): Promise<void>;
};

/**
 * Sends the events of many videos, those of one video always one after the other. While the relay is away nothing is
 * sent: a refused connection is no request. A request that a kill has cut is sent again for half of the videos, and is
 * left alone for the other half, as a provider does that sends only once.
 */
export function startLoad(given: {
  world: World;
  url: string;
  random: Random;
  /** Different events that were delivered so far: when too many are not, the senders wait. */
  delivered: () => number;
  /** The relay may be in trouble: a 503 is as good as no answer. */
  mayRefuse?: boolean;
}): Load {
  const { world, random, mayRefuse = false } = given;
  const { origin, pathname } = new URL(given.url);
  const agent = new Agent({ connections: LANES, keepAliveTimeout: 10_000 });
  const problems: string[] = [];
  let acknowledged = 0;
  let refused = 0;
  let finishing = false;
  let aborted = false;

  async function post(body: Uint8Array) {
    try {
      const headers = { "content-type": "application/json" };
      const answer = await agent.request({
        origin,
        path: pathname,
        method: "POST",
        headers,
        body,
        headersTimeout: 20_000,
      });
      const text = await answer.body.text();
      return { is: "answered", status: answer.statusCode, text } as const;
    } catch (error) {
      return { is: (error as { code?: string }).code === "ECONNREFUSED" ? "refused" : "cut" } as const;
    }
  }

  async function send(posted: Posted): Promise<void> {
    while (!aborted) {
      const result = await post(posted.body);
      const isRefused = mayRefuse && result.is === "answered" && result.status === 503;
      if (isRefused) refused++;
      if (result.is === "answered" && !isRefused) return take(posted, result.status, result.text);
      if (result.is !== "refused") {
        posted.cuts++;
        if (!posted.resends) return;
      }
      await sleep(15);
    }
  }

  function take(posted: Posted, status: number, text: string): void {
    if (status !== 200) {
      problems.push(`event ${posted.serial} (${posted.type}) was answered ${status} ${text.slice(0, 200)}`);
      return;
    }
    const answer = JSON.parse(text) as { id: string; status: string };
    if (posted.answers.push(answer) === 1) acknowledged++;
    if (answer.status === "duplicate" && posted.cuts === 0)
      problems.push(`event ${posted.serial} was sent once and called a duplicate of ${answer.id}`);
  }

  async function lane(): Promise<void> {
    let story: Story | null = null;
    while (!aborted) {
      if (story === null) {
        if (finishing) return;
        if (acknowledged - given.delivered() > MOST_WAITING) {
          await sleep(20);
          continue;
        }
        story = world.begin();
      }
      const posted = world.make(story);
      if (posted === null) story = null;
      else await send(posted);
      await sleep(random.float() * 25);
    }
  }

  const lanes = Promise.all(
    Array.from({ length: LANES }, () => lane().catch((error) => void problems.push(`a sender broke: ${error}`))),
  );
  return {
    problems,
    acknowledged: () => acknowledged,
    refused: () => refused,
    async finish(ms) {
      finishing = true;
      const enough = new AbortController();
      const late = sleep(ms, true, { signal: enough.signal }).catch(() => false);
      const isLate = await Promise.race([lanes.then(() => false), late]);
      enough.abort();
      if (isLate) throw new Error(`the last stories were not told to their end within ${ms} ms`);
    },
    async abort() {
      aborted = true;
      await agent.destroy();
      await lanes;
    },
  };
}
