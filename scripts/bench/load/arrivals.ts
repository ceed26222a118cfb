import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import { postEvent } from "./post.ts";

/** An app in this process, which answers 200 at once. */
export type Arrivals = {
  url: string;
  /** When the next delivery arrives (performance.now()). */
  next(): Promise<number>;
  close(): void;
};

export async function listenForArrivals(): Promise<Arrivals> {
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

/** How long each event took from its post, in milliseconds: to its answer, and to its arrival at the app. */
export type Times = { answered: number[]; arrived: number[] };

/** Between two events, so that each meets a system that is idle; milliseconds. */
const PAUSE = 5;

/** Posts one event after the other, each when the one before has been answered and has arrived. The first `warmUp` do not count. */
export async function postOneByOne(
  url: string,
  app: Arrivals,
  given: { warmUp: number; events: number; body(count: number): string; until?: () => boolean },
): Promise<Times> {
  const { warmUp, events, body, until = () => false } = given;
  const dispatcher = new Agent();
  const times: Times = { answered: [], arrived: [] };
  for (let count = 0; count < warmUp + events && !until(); count++) {
    const text = body(count);
    const arrival = app.next();
    const posted = performance.now();
    await postEvent(url, text, dispatcher);
    const answered = performance.now();
    const arrived = await arrival;
    if (count >= warmUp) {
      times.answered.push(answered - posted);
      times.arrived.push(arrived - posted);
    }
    await sleep(PAUSE);
  }
  await dispatcher.close();
  return times;
}
