import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { bodyTemplate, fillBody, spreadId } from "../bench/load/bodies.ts";

/** Somebody who posts events all the time, and remembers what was acknowledged. */
export type Poster = {
  acknowledged(): number;
  /** The greatest id that was acknowledged; ids sort as the commits did. */
  newestId(): string | null;
  refused(): number;
  /** How long each answer since the last call took, in milliseconds. */
  takeTimes(): number[];
  stop(): Promise<void>;
};

/** Posts over so many connections, each its next event when it has its answer; with `rate` at most so many a second in all. */
export function startPosting(url: string, { connections, rate }: { connections: number; rate: number | null }): Poster {
  const dispatcher = new Agent({ connections, pipelining: 1 });
  const template = bodyTemplate();
  const run = Date.now() % 2 ** 20;
  let sent = 0;
  let acknowledged = 0;
  let refused = 0;
  let newest: string | null = null;
  let times: number[] = [];
  let goesOn = true;
  const began = performance.now();

  async function post(): Promise<void> {
    while (goesOn) {
      const n = sent++;
      const due = rate === null ? 0 : began + (n / rate) * 1000 - performance.now();
      if (due > 1) await sleep(due);
      const from = performance.now();
      const { statusCode, body } = await request(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: fillBody(template, spreadId(run, n)),
        dispatcher,
      });
      const { id } = (await body.json()) as { id: string };
      times.push(performance.now() - from);
      if (statusCode !== 200) refused++;
      else {
        acknowledged++;
        if (newest === null || id > newest) newest = id;
      }
    }
  }

  const posting = Promise.all(Array.from({ length: connections }, post));
  return {
    acknowledged: () => acknowledged,
    newestId: () => newest,
    refused: () => refused,
    takeTimes() {
      const taken = times;
      times = [];
      return taken;
    },
    async stop() {
      if (!goesOn) return;
      goesOn = false;
      await posting;
      await dispatcher.close();
    },
  };
}
