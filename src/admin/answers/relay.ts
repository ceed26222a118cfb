import * as v from "valibot";
import type { AuditJson } from "../../actions/audit.ts";
import type { ReasonJson } from "../../actions/json.ts";
import type { Moment } from "../../actions/outcome/timeline.ts";
import type { listBackups } from "../../actions/relay/backups.ts";
import type { effectiveConfig } from "../../actions/relay/effective-config.ts";
import type { Status } from "../../actions/status.ts";
import type { matchingJson, TaskJson } from "../../actions/tasks.ts";
import type { forgetVideo, showVideo } from "../../actions/videos.ts";
import { RUN_VERBS } from "../../model/task.ts";
import { alarms, receivers } from "./alarms.ts";
import { endpoint, undelivered } from "./endpoints.ts";
import { attempt, delivery, event, medium, quarantined, video } from "./events.ts";
import { relayState, relays } from "./processes.ts";
import { archiveState } from "./retention.ts";
import { count, named, orNull, pageOf, shapeOf, text, time } from "./shape.ts";

// What tasks, the relay itself and the details of things answer.

const filterMembers = v.record(text, v.union([text, v.number(), v.boolean(), v.array(text)]));
export const task = named(
  "Task",
  v.object({
    id: text,
    verb: v.picklist(["retry", "cancel", "replay", "reprocess", ...RUN_VERBS]),
    by: text,
    filter: filterMembers,
    onlyDead: v.exactOptional(v.boolean()),
    newId: v.exactOptional(v.boolean()),
    state: v.picklist(["queued", "running", "done", "canceled", "failed"]),
    total: orNull(count),
    done: count,
    failed: count,
    skipped: count,
    error: orNull(text),
    ratePerSecond: orNull(v.number()),
    createdAt: time,
    ...{ endedAt: orNull(time), countingUntil: orNull(time) },
  }),
);
type HasSameKeys = keyof TaskJson extends keyof v.InferOutput<typeof task> ? true : never;
export const taskHasAll: HasSameKeys = true;
export const taskPage = pageOf("TaskPage", task);
export const taskMade = named("TaskMade", v.object({ task }));

export const matching = shapeOf<ReturnType<typeof matchingJson>>()(
  "Matching",
  v.object({
    count,
    oldest: orNull(time),
    newest: orNull(time),
    videos: count,
    byEndpoint: v.record(text, count),
    sample: v.array(text),
  }),
);

export const eventDetails = named(
  "EventDetails",
  v.object({
    ...event.pipe[0].entries,
    title: v.pipe(orNull(text), v.description("Of its video, as it is now")),
    media: v.array(medium),
    deliveries: v.array(delivery),
    timeline: v.array(
      shapeOf<Moment>()(
        "Moment",
        v.object({
          at: time,
          what: v.picklist([
            ...([
              "received",
              "tried",
              "secured",
              "mirrored",
              "failed",
              "expired",
              "skipped",
              "opened",
              "attempted",
            ] as const),
          ]),
          ...{ of: orNull(text), endpoint: orNull(text), detail: orNull(text) },
        }),
      ),
    ),
  }),
);

export const deliveryReasonList = named(
  "DeliveryReasons",
  v.object({
    data: v.array(
      shapeOf<ReasonJson>()(
        "DeliveryReason",
        v.object({
          ...{ endpoint: text, error: text, count },
          isMore: v.pipe(v.boolean(), v.description("There are more than were counted")),
          lastAt: time,
          sample: v.pipe(text, v.description("The newest of these deliveries")),
          answer: v.pipe(orNull(text), v.description("The first words of what that was answered, on one line")),
        }),
      ),
    ),
  }),
);

export const deliveryDetails = named(
  "DeliveryDetails",
  v.object({
    ...delivery.pipe[0].entries,
    gate: orNull(v.object({ openedAt: time, by: text })),
    attemptLog: v.array(attempt),
    why: v.pipe(orNull(text), v.description("What it waits for, in words")),
  }),
);

export const videoDetails = shapeOf<Awaited<ReturnType<typeof showVideo>>["video"]>()(
  "VideoDetails",
  v.object({
    ...video.pipe[0].entries,
    endpoints: v.array(v.object({ endpoint: text, delivered: count, undelivered: count, dead: count, newest: text })),
    undelivered: v.array(undelivered),
  }),
);
export const videoDetailsWithEvents = named(
  "VideoWithEvents",
  v.object({ ...videoDetails.pipe[0].entries, events: v.array(event) }),
);

export const forgotten = shapeOf<Awaited<ReturnType<typeof forgetVideo>>>()(
  "Forgotten",
  v.object({
    videoId: text,
    forgottenAt: time,
    events: count,
    media: count,
    copies: count,
    refused: count,
    archiveFiles: count,
  }),
);

export const replayed = named(
  "Replayed",
  v.object({ data: v.array(v.object({ eventId: text, endpoint: text, deliveryId: text })) }),
);

export const quarantinedDetails = named(
  "QuarantinedDetails",
  v.object({ ...quarantined.pipe[0].entries, body: orNull(text), bodyBase64: orNull(text) }),
);

export const reprocessed = named(
  "Reprocessed",
  v.object({ quarantineId: text, id: text, status: v.picklist(["accepted", "duplicate"]) }),
);

export const auditPage = pageOf(
  "AuditPage",
  shapeOf<AuditJson>()(
    "AuditEntry",
    v.object({
      id: text,
      at: time,
      through: v.picklist(["cli", "api", "dashboard", "relay"]),
      by: text,
      verb: text,
      subject: orNull(text),
      count: orNull(count),
      outcome: v.pipe(text, v.description("done, or the error")),
    }),
  ),
);

const whole = v.pipe(v.number(), v.integer());
const counts = shapeOf<Status>()(
  "Counts",
  v.object({
    dataDir: text,
    events: count,
    videos: count,
    media: v.object({
      pending: v.exactOptional(count),
      running: v.exactOptional(count),
      mirrored: v.exactOptional(count),
      failed: v.exactOptional(count),
      expired: v.exactOptional(count),
      skipped: v.exactOptional(count),
      superseded: v.exactOptional(count),
      deleted: v.exactOptional(count),
    }),
    uploads: count,
    deletions: count,
    unsecured: v.object({ count, nearestDeadline: orNull(time), mediumId: orNull(text) }),
    deliveries: v.object({ waiting: count, pending: count, running: count, dead: count }),
    endpoints: v.array(endpoint),
    backlog: v.array(
      v.object({
        endpoint: text,
        open: count,
        waiting: v.pipe(count, v.description("How many of these wait for media")),
        waitUntil: v.pipe(orNull(time), v.description("Until when the newest of these does at most")),
        perMinute: v.pipe(v.number(), v.description("How many were delivered, this hour and the one before")),
        minutesLeft: v.pipe(
          orNull(count),
          v.description("Until all but those, and what is held, are sent, at that rate, if nothing new comes"),
        ),
        held: v.pipe(
          orNull(
            v.object({
              ...{ videos: count, deliveries: count, isMore: v.boolean() },
              ...{ eventId: text, deliveryId: text, error: text, isRefused: v.boolean() },
            }),
          ),
          v.description("Videos whose next deliveries stand behind one that fails, the oldest of these, and why"),
        ),
      }),
    ),
    quarantine: v.object({ count, bytes: count }),
    database: v.object({ bytes: count, free: count, givesBack: v.boolean(), oldestBody: orNull(time) }),
    lastEventAt: orNull(time),
    copies: v.object({ bytes: count }),
    disks: v.array(
      v.object({
        dir: text,
        holds: v.array(v.picklist(["database", "copies"])),
        ...{ free: count, size: count },
        perDay: v.pipe(orNull(whole), v.description("Bytes by which they grow; null: it is not known yet")),
        daysLeft: v.pipe(
          orNull(count),
          v.description("Until it is full, at that rate; null: not known, or it does not grow"),
        ),
      }),
    ),
    growth: orNull(v.object({ since: time, until: time, database: whole, copies: whole })),
    retention: v.object({ prunedAt: orNull(time), rows: orNull(count), archive: orNull(archiveState) }),
    backup: v.object({
      every: v.pipe(orNull(count), v.description("Milliseconds; null: none is planned")),
      last: orNull(v.object({ at: time, place: v.picklist(["dir", "target", "file"]), name: text, bytes: count })),
      failure: orNull(text),
    }),
    alarms,
    receivers,
    relay: relayState,
    relays,
  }),
);

/** The members of the counts are missing while the database cannot be read. */
export const status = named(
  "Status",
  v.object({
    ...v.partial(counts.pipe[0]).entries,
    relay: relayState,
  }),
);

export const config = shapeOf<ReturnType<typeof effectiveConfig>>()(
  "EffectiveConfig",
  v.object({ file: orNull(text), config: v.record(text, v.unknown()), warnings: v.array(text) }),
);

export const doctor = named(
  "DoctorReport",
  v.object({
    state: v.picklist(["never", "running", "done"]),
    startedAt: orNull(time),
    endedAt: orNull(time),
    lines: v.array(
      v.object({ probe: text, state: v.picklist(["ok", "warning", "failed"]), detail: text, advice: orNull(text) }),
    ),
    error: orNull(text),
  }),
);

export const backups = shapeOf<Awaited<ReturnType<typeof listBackups>>>()(
  "Backups",
  v.object({
    data: v.array(
      v.object({
        id: text,
        at: time,
        place: v.picklist(["dir", "target", "file"]),
        name: text,
        bytes: count,
        events: count,
        planned: v.boolean(),
        newestEvent: orNull(time),
      }),
    ),
    failed: orNull(v.object({ at: time, error: text, againAt: time })),
  }),
);
