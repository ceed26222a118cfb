import { rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ConfigInput } from "../../../src/config/schema.ts";
import type { Bench, Conditions } from "../bench.ts";
import type { Side } from "../measure.ts";
import { type Child, startChild } from "../processes.ts";
import { benchConfig, SECRET, startRelay } from "../start-relay.ts";
import { rowOf, takeTurns } from "../turns.ts";
import type { Version } from "../versions.ts";
import { storeEvents, untilSeen } from "./deliver.ts";

const EVENTS = 2_000;
const SOUND = 18;

/** How long the slow app takes for an answer, in milliseconds. */
const SLOW = 5_000;

/**
 * Stored events to eighteen endpoints that work, beside one whose app is gone and one whose app is slow; in turn with the same
 * eighteen alone.
 */
export const benchFairness: Bench = async (conditions) => {
  const entries = conditions.versions.map((version) => ({
    version,
    side: { values: [] } as Side,
    baseline: { values: [] } as Side,
  }));
  const app = await startChild<{ url: string }>("app.ts", {});
  const others = await openOthers();
  try {
    await takeTurns(
      conditions.rounds,
      entries.flatMap(({ version, side, baseline }) =>
        [
          { name: "alone", to: baseline, endpoints: [] },
          { name: "beside a dead and a slow one", to: side, endpoints: others.endpoints },
        ].map(({ name, to, endpoints }) => ({
          async measure(round: number) {
            to.values.push(await measure(app, endpoints, version, conditions));
            conditions.say(`fairness: round ${round}, ${version.name}, ${name}, ${Math.round(to.values.at(-1)!)}/s`);
          },
        })),
      ),
    );
  } finally {
    others.close();
    await app.stop();
  }
  return [
    rowOf(
      {
        figure: `${SOUND} endpoints beside a dead and a slow one`,
        unit: "deliveries/s",
        wanted: { of: "ratio", atLeast: 0.9 },
        note: `baseline: the same ${SOUND} alone`,
      },
      entries,
    ),
  ];
};

type Endpoints = NonNullable<ConfigInput["endpoints"]>;

/** An app that takes SLOW for each answer, and one that is not there. */
async function openOthers(): Promise<{ endpoints: Endpoints; close(): void }> {
  const slow = createServer((request, response) => {
    request.resume().on("end", () => setTimeout(() => response.end("ok"), SLOW));
  });
  await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
  const { port } = slow.address() as AddressInfo;
  return {
    endpoints: [
      { id: "slow", url: `http://127.0.0.1:${port}/hook`, secret: SECRET },
      // The port of "discard", on which nothing listens.
      { id: "dead", url: "http://127.0.0.1:9/hook", secret: SECRET },
    ],
    close() {
      slow.close();
      slow.closeAllConnections();
    },
  };
}

/** Deliveries a second to the endpoints that work. */
async function measure(
  app: Child<{ url: string }>,
  others: Endpoints,
  version: Version,
  { folder, small }: Conditions,
): Promise<number> {
  const events = small ? EVENTS / 20 : EVENTS;
  const dir = folder();
  const sound = Array.from({ length: SOUND }, (_, at) => ({ id: `app-${at}`, url: app.ready.url, secret: SECRET }));
  const config = benchConfig({ mirror: { enabled: false }, endpoints: [...others, ...sound] });
  try {
    await storeEvents(dir, config, events, version);
    const relay = await startRelay(dir, config, { workers: true, version });
    try {
      const { first, last } = await untilSeen(app, events * SOUND);
      return (events * SOUND) / ((last - first) / 1_000);
    } finally {
      await relay.stop();
    }
  } finally {
    await app.ask("forget");
    rmSync(dir, { recursive: true });
  }
}
