import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** What a link may answer while its copy is moved. */
const RIGHT = [200, 206, 307];

/** How many links are asked at once, and the pause of each reader between two, in milliseconds. */
const READERS = 4;
const PAUSE = 5;

/**
 * Asks for links, again and again, in turn and in parts, as players do. `problems`: answers that are none of 200, 206 and 307.
 * A relay that is not there answers nothing, which is none.
 */
export function pollLinks(links: string[], problems: string[]) {
  const agent = new Agent({ keepAlive: true, maxSockets: READERS });
  const answers: Record<number, number> = {};
  let isOver = false;
  let next = 0;

  const ask = (link: string, headers: Record<string, string>) =>
    new Promise<void>((resolve) => {
      const asked = get(link, { agent, headers, timeout: 20_000 }, (response) => {
        const status = response.statusCode!;
        answers[status] = (answers[status] ?? 0) + 1;
        if (!RIGHT.includes(status)) problems.push(`${link} answered ${status}`);
        response.on("error", () => {}).on("close", resolve);
        response.resume();
      });
      asked.on("timeout", () => {
        problems.push(`${link} did not answer`);
        asked.destroy();
      });
      asked.on("error", () => resolve());
    });

  async function read(): Promise<void> {
    while (!isOver) {
      const link = links[next++ % links.length]!;
      await ask(link, next % 3 === 0 ? {} : { range: "bytes=0-99" });
      await sleep(PAUSE);
    }
  }

  const reading = Array.from({ length: READERS }, read);
  return {
    async stop(): Promise<Record<number, number>> {
      isOver = true;
      await Promise.all(reading);
      agent.destroy();
      return answers;
    },
  };
}

/** Posts events of videos that have no film, so many a second, and keeps how long each took, in milliseconds. */
export function postEvents(url: string, rate: number, problems: string[]) {
  const agent = new Agent({ keepAlive: true });
  let waits: number[] = [];
  let sent = 0;
  let isOver = false;
  const running = new Set<Promise<void>>();

  async function post(): Promise<void> {
    const body = JSON.stringify({ type: "draft.new", wochitVideoId: `other-${sent++}`, title: "x".repeat(500) });
    const began = performance.now();
    // A relay that is not there is no answer.
    const answer = await fetch(url, { method: "POST", body }).catch(() => null);
    if (answer === null) return;
    await answer.arrayBuffer().catch(() => {});
    if (answer.status !== 200) problems.push(`an event was answered ${answer.status}`);
    else waits.push(performance.now() - began);
  }

  const posting = (async () => {
    const began = performance.now();
    for (let nth = 0; !isOver; nth++) {
      const early = began + (nth * 1_000) / rate - performance.now();
      if (early > 1) await sleep(early);
      const one = post().finally(() => running.delete(one));
      running.add(one);
    }
  })();

  return {
    /** The 99th percentile, and the median, of those since the last call; null: there were none. */
    take(): { p99: number; p50: number; count: number } | null {
      const sorted = waits.sort((a, b) => a - b);
      waits = [];
      if (sorted.length === 0) return null;
      const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
      return { p99: at(0.99), p50: at(0.5), count: sorted.length };
    },
    async stop(): Promise<void> {
      isOver = true;
      await posting;
      await Promise.all(running);
      agent.destroy();
    },
  };
}
