import type { Bench, Conditions } from "../bench.ts";
import { type Arrivals, listenForArrivals, postOneByOne } from "../load/arrivals.ts";
import { bodyTemplate, fillBody, spreadId } from "../load/bodies.ts";
import { derivedRow, median, quantile } from "../measure.ts";
import { type Child, startChild } from "../processes.ts";
import { benchConfig, SECRET, startRelay } from "../start-relay.ts";
import { emptySide, rowOf, takeTurns } from "../turns.ts";

const WARM_UP = 200;
const EVENTS = 500;

/** From the moment an event is posted to the moment it has arrived at the endpoint, one at a time; this process is both. */
export const benchLatency: Bench = async (conditions) => {
  const { rounds, folder, versions } = conditions;
  const app = await listenForArrivals();
  const config = benchConfig({
    mirror: { enabled: false },
    endpoints: [{ id: "app", url: app.url, secret: SECRET }],
  });
  const least = { ...emptySide(), answered: emptySide() };
  const relays = versions.map((version) => ({ version, side: { ...emptySide(), answered: emptySide() } }));
  try {
    await takeTurns(rounds, [
      turn("two bare hops", least, app, conditions, () => startChild("bare-hop.ts", { to: app.url })),
      ...relays.map(({ version, side }) =>
        turn(version.name, side, app, conditions, () => startRelay(folder(), config, { workers: true, version })),
      ),
    ]);
  } finally {
    app.close();
  }
  const arrival = {
    ...rowOf({ figure: "latency, POST to arrival", unit: "ms", wanted: { of: "ratio", atMost: 2.5 } }, relays),
    baseline: least,
  };
  // The bare hops answer after the arrival, and store nothing: their answers are no measure of ours.
  const answer = derivedRow(arrival, { figure: "latency, POST to 200", unit: "ms", wanted: null }, (side) => {
    return (side as typeof least).answered;
  });
  return [arrival, { ...answer, baseline: null }];
};

type Taken = ReturnType<typeof emptySide> & { answered: ReturnType<typeof emptySide> };

function turn(
  name: string,
  side: Taken,
  app: Arrivals,
  { small, say }: Conditions,
  start: () => Promise<Child<{ url: string }>>,
) {
  const template = bodyTemplate();
  const events = small ? EVENTS / 10 : EVENTS;
  return {
    async measure(round: number): Promise<void> {
      const child = await start();
      try {
        const body = (count: number) => fillBody(template, spreadId(round, count));
        const took = await postOneByOne(child.ready.url, app, { warmUp: WARM_UP, events, body });
        for (const [at, times] of [
          [side, took.arrived],
          [side.answered, took.answered],
        ] as const) {
          at.values.push(median(times));
          at.p50.push(median(times));
          at.p99.push(quantile(times, 0.99));
        }
        side.memory.push(child.peakMemory());
      } finally {
        await child.stop();
      }
      say(`latency: round ${round}, ${name}, ${side.values.at(-1)!.toFixed(2)} ms`);
    },
  };
}
