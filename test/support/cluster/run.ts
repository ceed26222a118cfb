import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../../src/ports.ts";
import { pick } from "../../../src/simulator/events.ts";
import { seededRandom } from "../random.ts";
import { waitFor } from "../wait.ts";
import type { Member } from "./relays.ts";
import { openStage, type Stage } from "./stage.ts";

export type ClusterOptions = {
  seed: string;
  relays: number;
  /** For so long relays are killed. */
  seconds: number;
  /** Milliseconds from one kill to the next one, on average. */
  every?: number;
  /** By so many seconds the clocks are wrong: of a third of them it is behind, of a third ahead. */
  skew: number;
  onKill?: (line: string) => void;
};

export type ClusterReport = { summary: string; problems: string[]; folder: string };

/** So many others take events when one is killed. */
const STAYING = 2;

/** All that was stored is mirrored and delivered within this, after the last kill. */
const DRAIN_WITHIN = 240_000;

/** In a run that is shorter no relay is gone for good, in seconds: that is known after two minutes only. */
const LONG = 60;

/** The longest time that a relay that was killed is away, in milliseconds: beyond its leases. */
const LONGEST_AWAY = 40_000;

/** What becomes of a relay that was killed: it starts again at once, or later, or another one takes its place. */
type Fate = "back" | "late" | "gone";

/**
 * Runs whole relays on one database behind a balancer, all of which start at once on an empty one, and kills one with SIGKILL
 * again and again while events come; then lets them drain, stops them, and judges what is there.
 */
export async function runClusterTest(options: ClusterOptions): Promise<ClusterReport> {
  const { seed, skew, seconds, every = 1_500 } = options;
  const random = seededRandom(`${seed} kills`);
  const clocks = Array.from({ length: options.relays }, (_, nth) => ((nth % 3) - 1) * skew);
  const stage = await openStage({ seed, clocks });
  const { relays, balancer, problems } = stage;
  const fates: Record<Fate, number> = { back: 0, late: 0, gone: 0 };
  let figures: string[] = [];
  const pending = new Set<Promise<void>>();
  try {
    for (const member of relays.members) relays.start(member);
    await stage.ready();
    await stage.begin();
    const begun = performance.now();
    for (let nth = 1; performance.now() - begun < seconds * 1_000; nth++) {
      await sleep(every * (0.8 + 0.4 * random.float()));
      const alive = relays.members.filter(({ process }) => process !== null);
      const victim = pick(random, alive);
      // A slow machine may need longer for a start than it is from one kill to the next one.
      const others = () => relays.members.filter((one) => one !== victim && balancer.isUp(one.port));
      await waitFor(() => others().length >= Math.min(STAYING, relays.members.length - 1));
      const part = (performance.now() - begun) / (seconds * 1_000);
      const fate = fateOf({ nth, random, part, mayGo: seconds >= LONG });
      const isLate = fate === "late" && alive.length === relays.members.length;
      if (victim.process === null) continue; // it has ended by itself
      fates[isLate || fate !== "late" ? fate : "back"]++;
      await relays.kill(victim);
      if (fate === "gone") await relays.forget(victim);
      if (isLate) startLater(victim, random.float() * Math.min(LONGEST_AWAY, seconds * 500));
      else relays.start(victim);
      options.onKill?.(
        `kill ${nth}: ${victim.name} ${fate}, ${stage.acknowledged()} acknowledged, ${stage.app.arrivals.length} requests`,
      );
    }
    await Promise.all(pending);
    await stage.ready();
    ({ figures } = await stage.end(DRAIN_WITHIN));
  } catch (error) {
    problems.push((error as Error).message, ...relays.problems, ...lastLines(stage));
  } finally {
    if (problems.length > 0) await stage.dump();
    await stage.close();
  }
  if (problems.length === 0) await stage.remove();

  function startLater(member: Member, ms: number): void {
    const started = sleep(ms).then(() => {
      relays.start(member);
      pending.delete(started);
    });
    pending.add(started);
  }

  const kills = fates.back + fates.late + fates.gone;
  const summary = [
    `cluster test, seed ${seed}: ${options.relays} relays for ${seconds} s, clocks ${clocks.join()} s`,
    `kills ${kills} (${fates.late} came back late, ${fates.gone} never)`,
    ...figures,
  ].join(", ");
  const errors = stage.log.errors().slice(0, 5);
  return {
    summary: [summary, ...errors.map(([what, count]) => `logged ${count} times: ${what}`)].join("\n"),
    problems,
    folder: stage.folder,
  };
}

/** The first that never comes back is early, and there are none near the end. */
function fateOf({ nth, random, part, mayGo }: { nth: number; random: Random; part: number; mayGo: boolean }): Fate {
  const dice = random.float();
  if (mayGo && (nth === 3 || (dice < 0.05 && part < 0.5))) return "gone";
  return dice < 0.25 ? "late" : "back";
}

function lastLines({ relays }: Stage): string[] {
  return relays.members.flatMap(
    ({ name, process }) =>
      process
        ?.lastLines()
        .slice(-3)
        .map((line) => `${name}: ${line}`) ?? [],
  );
}
