import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import type { Random } from "../../../src/domain.ts";
import type { Posted, Story, World } from "./world.ts";

/** Connections that the events go over, and how many videos are told at once. */
const LANES = 12;

export type Load = {
  /** Answers that no documented sender should ever get, and the like. */
  problems: string[];
  /** Tells the stories that have begun to their end, and starts no other. */
  finish(): Promise<void>;
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
  /** Events that are stored, but not delivered everywhere yet: at too many the senders wait. */
  backlog: () => number;
}): Load {
  const { world, random } = given;
  const { origin, pathname } = new URL(given.url);
  const agent = new Agent({ connections: LANES, keepAliveTimeout: 10_000 });
  const problems: string[] = [];
  let finishing = false;

  async function post(body: Uint8Array) {
    try {
      const headers = { "content-type": "application/json" };
      const answer = await agent.request({ origin, path: pathname, method: "POST", headers, body, headersTimeout: 20_000 });
      const text = await answer.body.text();
      return { is: "answered", status: answer.statusCode, text } as const;
    } catch (error) {
      return { is: (error as { code?: string }).code === "ECONNREFUSED" ? "refused" : "cut" } as const;
    }
  }

  async function send(posted: Posted): Promise<void> {
    for (;;) {
      const result = await post(posted.body);
      if (result.is === "answered") return take(posted, result.status, result.text);
      if (result.is === "cut") {
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
    posted.answers.push(answer);
    if (answer.status === "duplicate" && posted.cuts === 0)
      problems.push(`event ${posted.serial} was sent once and called a duplicate of ${answer.id}`);
  }

  async function lane(): Promise<void> {
    let story: Story | null = null;
    for (;;) {
      if (story === null) {
        if (finishing) return;
        if (given.backlog() > 400) {
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

  const lanes = Promise.all(Array.from({ length: LANES }, lane));
  return {
    problems,
    async finish() {
      finishing = true;
      await lanes;
      await agent.close();
    },
  };
}
