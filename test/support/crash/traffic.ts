import type { ServerResponse } from "node:http";
import { setImmediate as turn } from "node:timers/promises";

/** What an app sees of the requests to its endpoints, each of which ends with its answer, or with its sender's end. */
export type Traffic = {
  /** The most at once, and when each came (performance.now()), by endpoint. */
  most: Map<string, number>;
  begins: Map<string, number[]>;
  /** The most of one lane (endpoint and video) at once. */
  mostOfLane: number;
  /** Where that was. */
  fullest: string;
  began(endpoint: string, response: ServerResponse): void;
  inLane(endpoint: string, videoId: string, response: ServerResponse): void;
};

export function createTraffic(): Traffic {
  const underWay = new Map<string, number>();

  /** Calls back with how many there are, where that is sure: the end of one that is over may be seen after another's begin. */
  async function count(name: string, response: ServerResponse, look: (now: number) => void): Promise<void> {
    if (response.closed) return;
    underWay.set(name, (underWay.get(name) ?? 0) + 1);
    let isOver = false;
    const end = () => {
      if (!isOver) underWay.set(name, underWay.get(name)! - 1);
      isOver = true;
    };
    response.once("finish", end).once("close", end);
    // Two: the first may belong to the turn in which it came.
    await turn();
    await turn();
    look(underWay.get(name)!);
  }

  const traffic: Traffic = {
    most: new Map(),
    begins: new Map(),
    mostOfLane: 0,
    fullest: "",
    began(endpoint, response) {
      if (!traffic.begins.has(endpoint)) traffic.begins.set(endpoint, []);
      traffic.begins.get(endpoint)!.push(performance.now());
      void count(endpoint, response, (now) =>
        traffic.most.set(endpoint, Math.max(traffic.most.get(endpoint) ?? 0, now)),
      );
    },
    inLane(endpoint, videoId, response) {
      void count(`${endpoint} ${videoId}`, response, (now) => {
        if (now <= traffic.mostOfLane) return;
        traffic.mostOfLane = now;
        traffic.fullest = `${videoId} to ${endpoint}`;
      });
    },
  };
  return traffic;
}

/** The most within a span of so many milliseconds. */
export function mostWithin(begins: number[], span: number): number {
  let most = 0;
  let first = 0;
  for (const [last, at] of begins.entries()) {
    while (at - begins[first]! > span) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
