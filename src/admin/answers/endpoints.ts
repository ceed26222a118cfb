import * as v from "valibot";
import type { EndpointJson } from "../../actions/endpoints.ts";
import type { EndpointDetails } from "../../actions/outcome/endpoint.ts";
import type { EndpointHour } from "../../actions/outcome/hours.ts";
import { delivery } from "./events.ts";
import { count, named, orNull, shapeOf, text, time } from "./shape.ts";

// What endpoints answer.

/** A delivery that an endpoint lacks, and why. */
export const undelivered = v.object({ ...delivery.pipe[0].entries, why: text });

const endpointMembers = {
  id: text,
  url: orNull(text),
  headers: v.record(text, text),
  events: v.array(text),
  filter: orNull(v.object({ context: orNull(v.array(text)), videoId: orNull(v.array(text)) })),
  body: orNull(v.picklist(["enriched", "verbatim"])),
  send: orNull(v.picklist(["after-mirror", "immediately"])),
  order: orNull(v.picklist(["video", "none"])),
  secrets: v.array(
    v.object({
      place: text,
      mark: v.pipe(orNull(text), v.description("The first 8 digits of the SHA-256 of its text")),
    }),
  ),
  state: v.picklist(["active", "failing", "paused", "removed"]),
  pausedAt: orNull(time),
  reason: orNull(text),
  failingSince: orNull(time),
  nextProbeAt: orNull(time),
  waiting: count,
  pending: count,
  running: count,
  dead: count,
  oldest: orNull(time),
};
export const endpoint = shapeOf<EndpointJson>()("Endpoint", v.object(endpointMembers));
const hours = v.array(
  shapeOf<EndpointHour>()(
    "EndpointHour",
    v.object({
      ...{ hour: time, delivered: count, dead: count, attempts: count },
      failed: v.pipe(count, v.description("Of the attempts")),
      p50: v.pipe(
        orNull(count),
        v.description("Half of the attempts took at most so many milliseconds; null: there was none"),
      ),
      p95: orNull(count),
    }),
  ),
);
const endpointWithHours = named("EndpointWithHours", v.object({ ...endpointMembers, hours }));
export const endpointDetails = shapeOf<EndpointDetails>()(
  "EndpointDetails",
  v.object({
    ...endpointMembers,
    hours,
    why: v.pipe(text, v.description("What holds its deliveries, in words")),
    settings: orNull(v.record(text, v.nullable(v.union([text, v.number()])))),
    undelivered: v.array(undelivered),
  }),
);
export const endpointList = named("EndpointList", v.object({ data: v.array(endpointWithHours) }));
