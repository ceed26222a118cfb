import * as v from "valibot";
import { checkEpoch, readCursor, writeCursor } from "../../actions/cursor.ts";
import { events } from "../../actions/events.ts";
import { collect } from "../../actions/list.ts";
import { forgetVideo, importContexts, showContext, showVideo, videos } from "../../actions/videos.ts";
import { idProblem } from "../../wochit/event.ts";
import { videoPage } from "../answers/events.ts";
import { forgotten, videoDetailsWithEvents } from "../answers/relay.ts";
import { count, named } from "../answers/shape.ts";
import { misfit } from "../check.ts";
import { type Operation, operation } from "../operation.ts";
import { listPage, listQuery, number } from "../query.ts";

/** Of each list of one video, and of the videos of a context. */
const SHOWN = 50;
const MOST = 500;

/** Mappings of one request. */
const MOST_ROWS = 1_000;

const TAG = { tag: "videos" } as const;

const mapping = v.strictObject({
  videoId: v.pipe(
    v.string(),
    v.check((id) => idProblem(id) === null, "is no usable id of a video"),
  ),
  context: v.pipe(v.string(), v.minLength(1), v.maxLength(4_096)),
});

export const videoOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/videos", id: "listVideos" },
    summary: "The videos, newest first, each with the newest of its contexts and media",
    query: listQuery(videos),
    answer: videoPage,
    errors: ["cursor_expired"],
    run: (asked, place) => listPage(videos, asked, place),
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/videos/{videoId}", id: "showVideo" },
    summary: "One video: its contexts, media and newest events, and what each endpoint has of it",
    answer: videoDetailsWithEvents,
    errors: ["not_found"],
    async run({ path }, place) {
      const { video } = await showVideo(place, path.videoId!, await place.openLink(), SHOWN);
      return { ...video, events: await collect(events.rows(place, { videoId: path.videoId!, limit: SHOWN })) };
    },
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/videos/{videoId}/forget", id: "forgetVideo" },
    summary: "Erases a video on request: its copies, bodies, titles, contexts. This cannot be undone",
    body: v.strictObject({ confirm: v.pipe(v.string(), v.description("The videoId once more")) }),
    answer: forgotten,
    errors: ["not_found", "conflict"],
    run({ path, body }, { store, ports }) {
      if (body.confirm !== path.videoId) throw misfit("bad_request", "confirm", "must be the videoId that is erased");
      return forgetVideo(store, path.videoId, ports.clock.now());
    },
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/contexts", id: "listVideosOfContext" },
    summary: "The videos that have, or once had, a context, newest first",
    query: v.strictObject({
      context: v.pipe(v.string(), v.minLength(1)),
      limit: number(1, MOST, `At most so many (default ${SHOWN})`),
      before: v.optional(v.pipe(v.string(), v.description("The `next` of the page before"))),
    }),
    answer: videoPage,
    errors: ["not_found", "cursor_expired"],
    async run({ query: { context, limit = SHOWN, before } }, { store, openLink }) {
      const epoch = await store.epoch();
      const place = before === undefined ? null : readCursor(before, { context });
      if (place !== null) checkEpoch(place, epoch);
      let next: string | null = null;
      const page = { limit, ...(place && { before: place.position }) };
      const found = showContext(store, context, await openLink(), page, ({ videoId }) => {
        next = writeCursor({ epoch, position: videoId }, { context });
      });
      return { data: await collect(found), next };
    },
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/contexts", id: "importContexts" },
    summary: "Takes in which video belongs to which context, as older than what events said",
    body: v.strictObject({
      rows: v.pipe(v.array(mapping), v.minLength(1), v.maxLength(MOST_ROWS, `must hold at most ${MOST_ROWS} rows`)),
      override: v.optional(v.pipe(v.boolean(), v.description("As the newest, whatever events said"))),
    }),
    answer: named("Imported", v.object({ imported: count })),
    errors: [],
    run: ({ body }, { store, ports }) =>
      importContexts(store, body.rows, ports.clock.now, { override: body.override ?? false }),
  }),
];
