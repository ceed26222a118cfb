import * as v from "valibot";
import type { PreviewJson } from "../../actions/feed/preview.ts";
import type {
  AttemptJson,
  DeliveryJson,
  eventJson,
  MediumJson,
  quarantinedJson,
  VideoJson,
} from "../../actions/json.ts";
import type { Movable } from "../../actions/move/copies.ts";
import { count, orNull, pageOf, shapeOf, text, time } from "./shape.ts";

// What events, deliveries, videos, media and quarantine answer (CONTRACT, "Admin listener").

export const event = shapeOf<ReturnType<typeof eventJson>>()(
  "Event",
  v.object({
    id: text,
    receivedAt: time,
    type: orNull(text),
    dialect: v.picklist(["typed", "legacy", "notice"]),
    videoId: orNull(text),
    context: orNull(text),
    contextFrom: orNull(v.picklist(["event", "mapping"])),
    sequence: orNull(count),
    sourceAddress: text,
    duplicates: count,
    status: v.picklist(["settled", "waiting", "dead"]),
  }),
);
export const eventPage = pageOf(
  "EventPage",
  v.object({
    ...event.pipe[0].entries,
    body: v.exactOptional(
      v.pipe(orNull(v.record(v.string(), v.unknown())), v.description("Only of a feed with include=body")),
    ),
  }),
);

export const delivery = shapeOf<DeliveryJson>()(
  "Delivery",
  v.object({
    id: text,
    eventId: text,
    videoId: orNull(text),
    type: orNull(text),
    endpoint: text,
    createdAt: time,
    state: v.picklist(["waiting", "pending", "running", "delivered", "dead", "canceled", "superseded"]),
    supersededBy: orNull(text),
    attempts: count,
    attemptsLeft: orNull(count),
    nextAttemptAt: orNull(time),
    lastError: orNull(text),
    replay: v.boolean(),
    waitsFor: orNull(
      v.object({
        is: v.picklist(["removed", "pause", "breaker", "lane", "gate", "retry", "slot"]),
        until: orNull(time),
        of: orNull(text),
      }),
    ),
  }),
);
export const deliveryPage = pageOf("DeliveryPage", delivery);

export const attempt = shapeOf<AttemptJson>()(
  "Attempt",
  v.object({
    n: count,
    startedAt: time,
    endedAt: time,
    status: orNull(count),
    error: orNull(text),
    answer: orNull(text),
    retryAfter: orNull(count),
    bytes: orNull(count),
    sha256: orNull(text),
    probe: v.boolean(),
  }),
);

export const medium = shapeOf<MediumJson>()(
  "Medium",
  v.object({
    id: text,
    videoId: text,
    kind: v.picklist(["video", "thumbnail"]),
    eventId: text,
    state: v.picklist(["pending", "running", "mirrored", "failed", "expired", "skipped", "superseded", "deleted"]),
    suspect: orNull(text),
    key: orNull(text),
    url: orNull(text),
    sourceUrl: text,
    bytes: orNull(count),
    sha256: orNull(text),
    contentType: orNull(text),
    deadline: time,
    attempts: count,
    nextAttemptAt: orNull(time),
    lastError: orNull(text),
  }),
);
export const mediumPage = pageOf("MediumPage", medium);

const videoMembers = {
  videoId: text,
  context: orNull(text),
  contextHistory: v.array(v.object({ context: text, since: time })),
  state: v.picklist(["draft", "ready", "deleted", "failed", "unknown"]),
  title: orNull(text),
  duration: orNull(v.number()),
  media: v.array(medium),
  firstSeenAt: time,
  lastEventAt: time,
  forgottenAt: v.exactOptional(time),
};
export const video = shapeOf<VideoJson>()("Video", v.object(videoMembers));
export const videoPage = pageOf("VideoPage", video);

export const quarantined = shapeOf<ReturnType<typeof quarantinedJson>>()(
  "Quarantined",
  v.object({
    id: text,
    receivedAt: time,
    sourceAddress: text,
    reason: v.picklist([
      ...(["invalid_json", "invalid_event", "source", "token", "size"] as const),
      ...(["path", "method", "broken", "request"] as const),
    ]),
    bytes: count,
    videoId: v.pipe(orNull(text), v.description("Where it reads as an event")),
    type: orNull(text),
    detail: v.pipe(orNull(text), v.description("What was wrong, in words, where the reason does not say it")),
  }),
);
export const quarantinePage = pageOf("QuarantinePage", quarantined);

export const preview = shapeOf<PreviewJson>()(
  "Preview",
  v.object({
    ...{ eventId: text, endpoint: text },
    deliveryId: v.pipe(orNull(text), v.description("The delivery that it is of; null: there is none yet")),
    wanted: v.pipe(v.boolean(), v.description("Whether the endpoint asks for it by its events and filter")),
    url: text,
    headers: v.record(text, text),
    ...{ bytes: count, sha256: text },
    body: v.pipe(text, v.description("The bytes, as text")),
  }),
);

const copySum = { copies: count, bytes: count };
export const movable = shapeOf<Movable>()(
  "Movable",
  v.object({
    ...copySum,
    seconds: v.pipe(orNull(count), v.description("How long it takes at that rate; null: no rate was given")),
    to: v.pipe(text, v.description("The present target")),
    from: v.array(v.object({ place: text, ...copySum })),
    left: v.pipe(v.object(copySum), v.description("What earlier moves have left where it was")),
  }),
);
