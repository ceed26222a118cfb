import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../wait.ts";
import type { ClusterReport } from "./run.ts";
import { openStage } from "./stage.ts";

export type CutOptions = {
  seed: string;
  relays: number;
  /** For so long the wire between the first relay and the database is cut. */
  seconds: number;
  skew: number;
};

/** Milliseconds with events before the cut, and after it. */
const BEFORE = 5_000;
const AFTER = 10_000;

/** Deliveries of the others never stop for longer; the one that was cut off takes events again this soon. Milliseconds. */
const LONGEST_SILENCE = 15_000;
const BACK_WITHIN = 30_000;

const DRAIN_WITHIN = 180_000;

/** Endpoints of which nothing but the cut keeps a delivery. */
const STEADY = ["app", "archive", "drafts", "hasty"];

/**
 * Runs whole relays on one database, as the kill test does, none of which is killed: the wire between one of them and the
 * database is cut without a word, and mended.
 */
export async function runCutTest({ seed, relays: count, seconds, skew }: CutOptions): Promise<ClusterReport> {
  const clocks = Array.from({ length: count }, (_, nth) => ((nth % 3) - 1) * skew);
  const stage = await openStage({ seed, clocks, hasWire: true });
  const { relays, problems, app, wire } = stage;
  let figures: string[] = [];
  try {
    for (const member of relays.members) relays.start(member);
    await stage.ready();
    await stage.begin();
    await sleep(BEFORE);
    const from = performance.now();
    wire!.silence(true);
    await sleep(seconds * 1_000);
    wire!.silence(false);
    const mended = performance.now();
    const { port } = relays.members[0]!;
    const isBack = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200;
    await waitFor(isBack, BACK_WITHIN).catch(() => problems.push("the relay that was cut off takes no events again"));
    const back = Math.round(performance.now() - mended);
    await sleep(Math.max(0, AFTER - back));
    const silence = longestSilence(
      STEADY.flatMap((endpoint) => app.traffic.begins.get(endpoint) ?? []),
      { from, to: performance.now() },
    );
    if (silence > LONGEST_SILENCE) problems.push(`nothing was delivered for ${silence} ms`);
    ({ figures } = await stage.end(DRAIN_WITHIN));
    figures.unshift(`longest silence of deliveries ${silence} ms`, `the one cut off was back after ${back} ms`);
  } catch (error) {
    problems.push((error as Error).message, ...relays.problems);
  } finally {
    if (problems.length > 0) await stage.dump();
    await stage.close();
  }
  if (problems.length === 0) await stage.remove();
  const summary = [`one of ${count} relays cut off for ${seconds} s, seed ${seed}`, ...figures].join(", ");
  return { summary, problems, folder: stage.folder };
}

/** The longest time without any of these, in milliseconds. */
function longestSilence(times: number[], { from, to }: { from: number; to: number }): number {
  const within = times.filter((at) => at > from && at < to).sort((a, b) => a - b);
  const ends = [...within, to];
  return Math.round(Math.max(...ends.map((at, nth) => at - (nth === 0 ? from : ends[nth - 1]!))));
}
