import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import type { ConfigInput } from "../../../src/config/schema.ts";
import type { Delivery } from "../../../src/model/delivery.ts";
import { SECRET } from "../config.ts";
import { openReceiver, type Received } from "../receiver.ts";
import { lastingPort, spawnServe } from "../serve-process.ts";
import { openStored } from "../stored.ts";

export type CoalescingOptions = {
  /** So many autosaves, of so many videos in turn, so many a second. */
  events: number;
  videos: number;
  posted: number;
  /** Of the endpoint: requests a second. */
  rate: number;
};

export type CoalescingReport = { summary: string; problems: string[]; folder: string };

const POSTING = 8;

/** What is left when the last autosave was acknowledged is not waited for longer, in milliseconds. */
const PATIENCE = 120_000;

/** An endpoint's slots, as by default. */
const SLOTS = 8;

type Arrival = { videoId: string; sequence: number; serial: number; at: number };

/**
 * Posts a flood of autosaves to a real relay, whose endpoint takes few of them a second and has them coalesced. A problem is
 * a video of which the newest does not arrive, or not soon; an event out of order; a delivery that ended otherwise than
 * delivered, or superseded by one that was delivered.
 */
export async function runCoalescing(options: CoalescingOptions): Promise<CoalescingReport> {
  const { events, videos, rate } = options;
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-coalescing-"));
  const app = await openReceiver();
  const port = await lastingPort();
  const configPath = join(folder, "config.json");
  await writeFile(configPath, JSON.stringify(configFor(port, app.url, rate)));
  const relay = spawnServe({ configPath, port });
  const problems: string[] = [];
  let summary = "";
  try {
    await relay.ready();
    const ended = await post(port, options);
    const before = app.requests.length;
    const stored = await openStored(configPath);
    await stored.drained(PATIENCE);
    const deliveries: Delivery[] = [];
    for await (const delivery of stored.deliveries()) deliveries.push(delivery);
    await stored.close();
    const end = await relay.stop();
    if (end.code !== 0) problems.push(`SIGTERM ended it with ${end.signal ?? end.code}`);
    const arrivals = app.requests.map(readArrival);
    const left = arrivals.length - before;
    const states = judge(deliveries, { events, videos, arrivals, problems });
    // Of each video one that was claimed meanwhile, and its newest.
    if (left > videos + SLOTS) problems.push(`${left} requests came after the last autosave, for ${videos} videos`);
    summary = [
      `${events} autosaves of ${videos} videos, ${Math.round(events / (ended.took / 1_000))}/s, to ${rate} requests/s`,
      `delivered ${states.delivered}, superseded ${states.superseded}`,
      `the newest of all arrived ${((arrivals.at(-1)!.at - ended.at) / 1_000).toFixed(1)} s after the last`,
      `${left} requests after the last`,
      `longest without news of a video ${(longestGap(arrivals) / 1_000).toFixed(1)} s`,
      `most requests in a second ${mostInASecond(arrivals)}`,
      `problems ${problems.length}`,
    ].join(", ");
  } catch (error) {
    problems.push((error as Error).message, ...relay.lastLines().slice(-5));
  } finally {
    if (!relay.hasEnded()) await relay.kill();
    await app.close();
  }
  if (problems.length === 0) await rm(folder, { recursive: true });
  return { summary, problems, folder };
}

function configFor(port: number, url: string, ratePerSecond: number): ConfigInput {
  const endpoint = { id: "app", url, secret: SECRET, coalesce: ["draft.update"], ratePerSecond };
  return {
    dataDir: "data",
    admin: null,
    server: { listen: `127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { enabled: false },
    endpoints: [endpoint],
    log: { format: "json", level: "warn" },
  };
}

/** Those of one video one after the other. `at`: when the last was acknowledged; `took`: milliseconds. */
async function post(
  port: number,
  { events, videos, posted }: CoalescingOptions,
): Promise<{ at: number; took: number }> {
  const agent = new Agent({ connections: POSTING });
  const begun = performance.now();
  async function lane(first: number): Promise<void> {
    for (let serial = 0; serial < events; serial++) {
      const video = serial % videos;
      if (video % POSTING !== first) continue;
      const early = begun + (serial * 1_000) / posted - performance.now();
      if (early > 1) await sleep(early);
      const answer = await agent.request({
        origin: `http://127.0.0.1:${port}`,
        path: "/webhooks/wochit",
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ type: "draft.update", wochitVideoId: `v${video}`, serial }),
      });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) throw new Error(`autosave ${serial} was answered ${answer.statusCode} ${text}`);
    }
  }
  try {
    await Promise.all(Array.from({ length: POSTING }, (_, first) => lane(first)));
    return { at: Date.now(), took: performance.now() - begun };
  } finally {
    await agent.destroy();
  }
}

function readArrival({ json, at }: Received): Arrival {
  return { videoId: json.wochitVideoId, sequence: json.relay.sequence, serial: json.serial, at };
}

function judge(
  deliveries: Delivery[],
  given: { events: number; videos: number; arrivals: Arrival[]; problems: string[] },
): Record<string, number> {
  const { events, videos, arrivals, problems } = given;
  const last = new Map<string, Arrival>();
  for (const arrival of arrivals) {
    const before = last.get(arrival.videoId)?.sequence ?? 0;
    if (arrival.sequence <= before)
      problems.push(`number ${arrival.sequence} of ${arrival.videoId} came after ${before}`);
    last.set(arrival.videoId, arrival);
  }
  for (let video = 0; video < videos; video++) {
    const newest = video + videos * Math.floor((events - 1 - video) / videos);
    const seen = last.get(`v${video}`)?.serial;
    if (seen !== newest)
      problems.push(`the newest of v${video} is autosave ${newest}, and ${seen} was the last to arrive`);
  }
  if (deliveries.length !== events) problems.push(`there are ${deliveries.length} deliveries of ${events} autosaves`);
  const byId = new Map(deliveries.map((delivery) => [delivery.id, delivery]));
  const states: Record<string, number> = {};
  for (const { id, state, supersededBy } of deliveries) {
    states[state] = (states[state] ?? 0) + 1;
    let end = byId.get(id)!;
    for (let steps = 0; end.state === "superseded" && steps <= events; steps++) {
      const next = byId.get(end.supersededBy ?? "");
      if (next === undefined || next.videoId !== end.videoId || next.createdAt < end.createdAt) break;
      end = next;
    }
    if (end.state !== "delivered")
      problems.push(`${id} is ${state}, by ${supersededBy}, and that leads to ${end.id}, ${end.state}`);
  }
  if ((states.delivered ?? 0) !== arrivals.length)
    problems.push(`${states.delivered} deliveries are delivered, and ${arrivals.length} arrived`);
  return states;
}

/** The longest time between two arrivals of one video, in milliseconds. */
function longestGap(arrivals: Arrival[]): number {
  const last = new Map<string, number>();
  return arrivals.reduce((longest, { videoId, at }) => {
    const gap = at - (last.get(videoId) ?? at);
    last.set(videoId, at);
    return Math.max(longest, gap);
  }, 0);
}

function mostInASecond(arrivals: Arrival[]): number {
  let first = 0;
  return arrivals.reduce((most, { at }, index) => {
    while (arrivals[first]!.at <= at - 1_000) first++;
    return Math.max(most, index - first + 1);
  }, 0);
}
