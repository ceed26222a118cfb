import type { HeldUp } from "../../model/delivery.ts";
import type { Alarm } from "../alarms/judge.ts";
import type { EndpointJson } from "../endpoints.ts";

// What is held, and is no alarm: nothing needs a person yet, and not all is well.

/** The lanes that are held: of how many videos, with how many deliveries behind what has failed, the oldest of that, and why. */
export type Held = {
  videos: number;
  deliveries: number;
  /** There are more than were counted. */
  isMore: boolean;
  eventId: string;
  deliveryId: string;
  error: string;
  /** Its answer spoke of the event, and not of the endpoint. */
  isRefused: boolean;
};

/** Null: nothing stands behind what has failed. */
export function heldOf(stuck: HeldUp | undefined): Held | null {
  if (stuck?.first == null) return null;
  const { videos, behind, isMore, first } = stuck;
  return { videos, deliveries: behind, isMore, ...first };
}

/** `1 video is held behind a refused event`; which one follows. */
export function heldBriefly({ videos, isMore, isRefused }: Omit<Held, "eventId" | "deliveryId" | "error">): string {
  if (videos === 1) return `1 video is held behind ${isRefused ? "a refused event" : "an event that fails"}`;
  const events = isRefused ? "refused events" : "events that fail";
  return `${videos} videos${isMore ? " or more" : ""} are held behind ${events}, the oldest`;
}

/** `1 video is held behind a refused event: evt_… (HTTP 422)` */
export const describeHeld = (held: Held): string => `${heldBriefly(held)}: ${held.eventId} (${held.error})`;

/** An endpoint to which nothing, or not all, is sent. */
export type Holding = { id: string; is: "paused" | "failing" } | { id: string; is: "holding"; held: Held };

/** Those for which there is no alarm: paused, failing for a short while, or with videos that are held. */
export function holdings({
  endpoints,
  alarms,
  backlog,
}: {
  endpoints: Pick<EndpointJson, "id" | "state">[];
  alarms: Pick<Alarm, "name" | "subject">[];
  backlog: { endpoint: string; held: Held | null }[];
}): Holding[] {
  return endpoints.flatMap(({ id, state }): Holding[] => {
    const isAlarm = alarms.some(({ name, subject }) => name === "BreakerOpen" && subject === id);
    if (state === "paused" || (state === "failing" && !isAlarm)) return [{ id, is: state }];
    const held = backlog.find(({ endpoint }) => endpoint === id)?.held ?? null;
    return held === null ? [] : [{ id, is: "holding", held }];
  });
}
