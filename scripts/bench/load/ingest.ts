import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Conditions } from "../bench.ts";
import type { Side } from "../measure.ts";
import type { Child } from "../processes.ts";
import { startMeter } from "../usage.ts";
import { writeTemplate } from "./bodies.ts";
import { type Load, postEvents } from "./wrk.ts";

/** Long enough for the compiler to have seen everything. */
const WARM_UP = 2;

/** A server that takes events in. `media`: the base of their links. `stored`: how many it has; null: it stores none. */
export type Intake = {
  figure: string;
  name: string;
  connections: number;
  media?: string;
  start(dir: string): Promise<Child<{ url: string }>>;
  stored(dir: string): Promise<number> | number | null;
};

/** Posts to a server over a folder of its own, counts afterwards what it has stored, and adds what was seen to a side. */
export async function measureIngest(
  { figure, name, connections, media, start, stored }: Intake,
  side: Required<Side>,
  { seconds, folder, say }: Conditions,
  round: number,
): Promise<void> {
  const dir = folder();
  const template = join(dir, "template");
  writeTemplate(template, media);
  const child = await start(dir);
  let load: Load;
  try {
    const post = (duration: number) => postEvents(child.ready.url, { connections, seconds: duration, template });
    const warm = await post(WARM_UP);
    const used = await startMeter(child);
    load = await post(seconds);
    const { cpu, threads } = await used(load.answered);
    side.cpu.push(cpu);
    side.threads.push(threads);
    side.memory.push(child.peakMemory());
    await child.stop();
    const count = await stored(dir);
    const answered = warm.answered + load.answered;
    // wrk leaves without waiting, so the last of each connection may be more.
    if (count !== null && (count < answered || count > answered + 2 * connections))
      throw new Error(`${answered} events were answered, but ${count} are stored by ${name}`);
  } finally {
    await child.stop();
    rmSync(dir, { recursive: true });
  }
  side.values.push(load.perSecond);
  side.p50.push(load.p50);
  side.p99.push(load.p99);
  say(`${figure}: round ${round}, ${name}, ${Math.round(load.perSecond)}/s, p99 ${load.p99.toFixed(1)} ms`);
}
