import * as v from "valibot";
import { copyFilters, media, retryMedium, showMedium } from "../../actions/media.ts";
import { countMovable, startMove } from "../../actions/move/copies.ts";
import { KEEP, readKeep, rotateLinks } from "../../actions/relay/rotate-links.ts";
import { startRun } from "../../actions/tasks.ts";
import { DURATION } from "../../config/units.ts";
import { medium, mediumPage, movable } from "../answers/events.ts";
import { rotatedLinks } from "../answers/links.ts";
import { taskMade } from "../answers/relay.ts";
import { bodyEntries } from "../many.ts";
import { accepted, type Operation, operation, type Schema } from "../operation.ts";
import { listPage, listQuery, timesOf } from "../query.ts";

type VerifyBody = {
  videoId?: string;
  kind?: string;
  since?: string;
  until?: string;
  mend?: boolean;
  bytesPerSecond?: number;
};

/** Bytes a second: more than any disk reads. */
const MOST_RATE = 2 ** 40;

const byteRate = v.optional(
  v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MOST_RATE), v.description("At most so much")),
);

type MoveBody = { deleteSource?: boolean; bytesPerSecond?: number; dryRun?: boolean; expect?: number };

const TAG = { tag: "media" } as const;

export const mediaOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/media", id: "listMedia" },
    summary: "The videos' files, newest first: where they are, or why not",
    query: listQuery(media),
    answer: mediumPage,
    errors: ["cursor_expired"],
    run: (asked, place) => listPage(media, asked, place),
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/media/{id}", id: "showMedium" },
    summary: "One medium",
    answer: medium,
    errors: ["not_found"],
    run: async ({ path }, { store, openLink }) => showMedium(store, path.id!, await openLink()),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/media/{id}/retry", id: "retryMedium" },
    summary: "Downloads a medium again",
    answer: medium,
    errors: ["not_found", "conflict"],
    run: async ({ path }, { store, openLink, ports }) =>
      retryMedium(store, path.id!, await openLink(), ports.clock.now()),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/media/verify", id: "verifyMedia" },
    summary: "Reads every copy in its target and counts those that are missing or damaged, as a task",
    more: "The task is done when all are read: failed counts what is wrong, and error says in words what.",
    body: v.strictObject({
      ...bodyEntries(copyFilters),
      mend: v.optional(v.pipe(v.boolean(), v.description("Download again what is missing or damaged"))),
      bytesPerSecond: byteRate,
    }) as unknown as Schema<VerifyBody>,
    accepted: taskMade,
    errors: ["task_running"],
    async run({ body, caller }, { store, ports }) {
      const { since, until, bytesPerSecond, ...rest } = body;
      const now = ports.clock.now();
      const times = timesOf({ since, until }, now, "bad_request");
      const options = { ...rest, ...times, ...(bytesPerSecond !== undefined && { rate: bytesPerSecond }) };
      return accepted({ task: await startRun(store, { verb: "verify", options, by: `api ${caller.name}` }, now) });
    },
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/media/links/rotate", id: "rotateLinks" },
    summary: "Gives links to copies a new signature; links that were given out before stay valid for a while",
    more: "Send what holds links again (POST /replay) before the earlier ones end. The secret is never shown.",
    body: v.strictObject({
      keep: v.optional(
        v.pipe(
          v.string(),
          v.maxLength(20),
          v.regex(DURATION),
          v.description("How long earlier links stay valid; 0s: they end at once"),
        ),
        KEEP,
      ),
    }),
    answer: rotatedLinks,
    errors: ["conflict"],
    async run({ body: { keep } }, { store, config, ports, refreshLinks }) {
      const rotated = await rotateLinks(store, config, readKeep(keep), ports);
      await refreshLinks();
      return rotated;
    },
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/media/move", id: "moveMedia" },
    summary: "Brings copies from where they are into the present target, as a task",
    more: "dryRun answers how many there are (200); else 202 with a task. Its failed counts copies that are gone or damaged where they were; error says of the last why, or what it waits for.",
    body: v.strictObject({
      deleteSource: v.optional(
        v.pipe(v.boolean(), v.description("Delete copies where they were, once they are proven where they are now")),
      ),
      bytesPerSecond: byteRate,
      dryRun: v.optional(v.pipe(v.boolean(), v.description("Count only, and change nothing"))),
      expect: v.optional(
        v.pipe(
          v.number(),
          v.integer(),
          v.minValue(0),
          v.description("The count that was confirmed: 409 where there are more by now"),
        ),
      ),
    }) as unknown as Schema<MoveBody>,
    answer: movable,
    accepted: taskMade,
    errors: ["conflict", "count_changed", "task_running"],
    async run({ body, caller, signal }, { store, config, ports }) {
      const { deleteSource = false, bytesPerSecond: rate = null, dryRun = false, expect = null } = body;
      if (dryRun) return countMovable(store, config.mirror.target, { rate, signal });
      const how = { deleteSource, rate, expect, by: `api ${caller.name}`, signal };
      return accepted({ task: await startMove(store, config, how, ports.clock.now()) });
    },
  }),
];
