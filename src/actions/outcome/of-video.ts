import type { Config } from "../../config/schema.ts";
import type { Delivery } from "../../model/delivery.ts";
import type { JobState } from "../../model/job.ts";
import type { Store } from "../../store/store.ts";
import { type DeliveryJson, deliveryJson } from "../json.ts";
import type { Column } from "../list.ts";
import { describeWaitOf, readAhead } from "./ahead.ts";

// Where a video is on its way to the apps: what each got, and why not the rest.

/** The states of deliveries that their endpoint lacks. */
const UNDELIVERED: JobState[] = ["running", "pending", "waiting", "dead"];

/** The newest deliveries of a video that are counted. */
const COUNTED = 500;

/** Attempts are looked up for the reasons of at most this many deliveries. */
const EXPLAINED = 20;

/** Characters of an answer that are shown. */
const ANSWER = 120;

/** A delivery that its endpoint lacks. `why`, in words: what the last attempt came to, and what it waits for. */
export type Undelivered = DeliveryJson & { why: string };

/**
 * What one endpoint has of a video: numbers of its newest 500 deliveries, and in words the newest one, or why there is none.
 */
export type EndpointOfVideo = {
  endpoint: string;
  delivered: number;
  undelivered: number;
  dead: number;
  newest: string;
};

/**
 * By endpoint, those of the config first; and of what is not delivered the newest `limit`, the newest first. `more`: there is
 * further of that.
 */
export async function deliveriesOfVideo(
  store: Pick<Store, "deliveries" | "delivery">,
  { endpoints }: Pick<Config, "endpoints">,
  videoId: string,
  limit: number,
): Promise<{ endpoints: EndpointOfVideo[]; undelivered: Undelivered[]; more: boolean }> {
  const newest = await store.deliveries({ videoId, limit: COUNTED });
  const { undelivered, more } = await listUndelivered(store, { videoId }, limit);
  const ids = new Set([...endpoints.map(({ id }) => id), ...newest.map(({ endpoint }) => endpoint)]);
  return {
    endpoints: [...ids].map((id) =>
      summarize(
        id,
        newest.filter(({ endpoint }) => endpoint === id),
      ),
    ),
    undelivered,
    more,
  };
}

/** What of a video, or of an endpoint, is not delivered: the newest `limit`, newest first. `more`: there are further ones. */
export async function listUndelivered(
  store: Pick<Store, "deliveries" | "delivery">,
  of: { videoId: string } | { endpoint: string },
  limit: number,
): Promise<{ undelivered: Undelivered[]; more: boolean }> {
  const found: Delivery[] = [];
  for (const state of UNDELIVERED) found.push(...(await store.deliveries({ ...of, state, limit: limit + 1 })));
  // Ids sort by the time they were given.
  found.sort((a, b) => (a.id < b.id ? 1 : -1));
  const undelivered: Undelivered[] = [];
  const ahead = await readAhead(store, found.slice(0, EXPLAINED));
  for (const [at, delivery] of found.slice(0, limit).entries()) {
    const { attemptLog } = at < EXPLAINED ? await store.delivery(delivery.id, 1) : { attemptLog: [] };
    undelivered.push({ ...deliveryJson(delivery), why: whyNot(delivery, attemptLog[0]?.response ?? null, ahead) });
  }
  return { undelivered, more: found.length > limit };
}

function summarize(endpoint: string, own: Delivery[]): EndpointOfVideo {
  const count = (states: JobState[]) => own.filter(({ state }) => states.includes(state)).length;
  const [last] = own;
  return {
    endpoint,
    delivered: count(["delivered"]),
    undelivered: count(["running", "pending", "waiting"]),
    dead: count(["dead"]),
    newest:
      last === undefined
        ? "nothing was made for it: its events and filter did not ask for this video's"
        : `${last.type ?? "no type"}, ${last.state}`,
  };
}

/**
 * Why an endpoint lacks a delivery: `HTTP 422: unknown rubric; the next attempt is at …`. `response`: of its last attempt;
 * `ahead`: what goes first, where that was read.
 */
export function whyNot(
  delivery: Pick<Delivery, "state" | "attempts" | "lastError" | "waitsFor" | "nextAttemptAt">,
  response: Uint8Array | null,
  ahead: Map<string, Delivery> = new Map(),
): string {
  const { state, attempts, lastError } = delivery;
  const said = answerOf(lastError, response);
  const wait = describeWaitOf(delivery, ahead);
  if (state === "dead") return `given up after ${attempts === 1 ? "1 attempt" : `${attempts} attempts`}: ${said}`;
  if (state === "running") return "it is being sent now";
  return [lastError === null ? null : said, wait ?? "it is sent in a moment"]
    .filter((words) => words !== null)
    .join("; ");
}

/** `HTTP 422: {"error":"…"}`: what an attempt failed with, and the beginning of the answer on one line. */
export function answerOf(error: string | null, response: Uint8Array | null): string {
  const answer = response === null ? "" : new TextDecoder().decode(response).replace(/\s+/g, " ").trim();
  return answer === "" ? (error ?? "no reason is known") : `${error}: ${answer.slice(0, ANSWER)}`;
}

export const endpointOfVideoColumns: Column<EndpointOfVideo>[] = [
  { title: "ENDPOINT", value: ({ endpoint }) => endpoint, whole: true },
  { title: "DELIVERED", value: ({ delivered }) => delivered, whole: true },
  { title: "ON ITS WAY", value: ({ undelivered }) => undelivered, whole: true },
  { title: "DEAD", value: ({ dead }) => dead, whole: true },
  { title: "NEWEST", value: ({ newest }) => newest },
];

export const undeliveredColumns: Column<Undelivered>[] = [
  { title: "NOT DELIVERED", value: ({ id }) => id, whole: true },
  { title: "ENDPOINT", value: ({ endpoint }) => endpoint },
  { title: "TYPE", value: ({ type }) => type },
  { title: "STATE", value: ({ state }) => state, whole: true },
  { title: "WHY", value: ({ why }) => why, below: true },
];
