import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import type { Bench } from "./bench.ts";
import { bodyTemplate, fillBody, spreadId } from "./bodies.ts";
import { median, quantile, type Side } from "./measure.ts";
import { startChild } from "./processes.ts";
import { benchConfig, SECRET, startRelay } from "./start-relay.ts";

const WARM_UP = 200;
const EVENTS = 500;

/** Between two events, so that each meets an idle relay. */
const PAUSE = 5;

/** From the moment an event is posted to the moment it has arrived at the endpoint, one at a time; this process is both. */
export const benchLatency: Bench = async ({ rounds, small, folder, say }) => {
  const app = await listenForArrivals();
  const baseline = { values: [], p50: [], p99: [], memory: [] } satisfies Side as Required<Omit<Side, "cpu">>;
  const ours = structuredClone(baseline);
  const config = benchConfig({
    mirror: { enabled: false },
    endpoints: [{ id: "app", url: app.url, secret: SECRET }],
  });
  const events = small ? EVENTS / 10 : EVENTS;
  const starts = [
    { side: baseline, start: () => startChild("bare-hop.ts", { to: app.url }) },
    { side: ours, start: () => startRelay(folder(), config, { workers: true }) },
  ];
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const { side, start } of starts) {
        const child = await start();
        try {
          const took = await postOneByOne(child.ready.url, app, events, round);
          side.values.push(median(took));
          side.p50.push(median(took));
          side.p99.push(quantile(took, 0.99));
          side.memory.push(child.peakMemory());
        } finally {
          await child.stop();
        }
      }
      const [bare, relay] = [baseline, ours].map(({ values }) => `${values.at(-1)?.toFixed(2)} ms`);
      say(`latency: round ${round}, ${bare} in two bare hops, ${relay} through the relay`);
    }
  } finally {
    app.close();
  }
  return [{ figure: "latency, POST to arrival", unit: "ms", baseline, ours, wanted: { of: "ratio", atMost: 3 } }];
};

type Arrivals = { url: string; next(): Promise<number>; close(): void };

async function listenForArrivals(): Promise<Arrivals> {
  let arrived: (at: number) => void = () => {};
  const server = createServer((incoming, response) => {
    incoming.resume().on("end", () => {
      arrived(performance.now());
      response.end("ok");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    next: () =>
      new Promise((resolve) => {
        arrived = resolve;
      }),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Milliseconds of each event, without those of the warm-up. */
async function postOneByOne(url: string, app: Arrivals, events: number, round: number): Promise<number[]> {
  const template = bodyTemplate();
  const dispatcher = new Agent();
  const took: number[] = [];
  for (let count = 0; count < WARM_UP + events; count++) {
    const body = fillBody(template, spreadId(round, count));
    const arrival = app.next();
    const posted = performance.now();
    const answer = await request(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      dispatcher,
    });
    await answer.body.dump();
    if (answer.statusCode !== 200) throw new Error(`HTTP ${answer.statusCode}`);
    took.push((await arrival) - posted);
    await sleep(PAUSE);
  }
  await dispatcher.close();
  return took.slice(WARM_UP);
}
