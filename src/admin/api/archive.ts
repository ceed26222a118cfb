import * as v from "valibot";
import { archive } from "../../actions/relay/archive.ts";
import { startRun } from "../../actions/tasks.ts";
import { RelayError } from "../../errors.ts";
import { readDay } from "../../model/archive.ts";
import { taskMade } from "../answers/relay.ts";
import { archivePage } from "../answers/retention.ts";
import { accepted, type Operation, operation } from "../operation.ts";
import { LONGEST, listPage, listQuery } from "../query.ts";

const TAG = { tag: "relay" } as const;

const day = v.optional(v.pipe(v.string(), v.description("Received on this day (UTC): 2026-11-30")));

/** The day as bounds; none: all of them. */
function boundsOf(text: string | undefined): { since?: number; until?: number } {
  if (text === undefined) return {};
  const found = readDay(text);
  if (found === null)
    throw new RelayError("bad_request", `day: must be a day like 2026-11-30, not "${text.slice(0, 40)}"`);
  return found;
}

export const archiveOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/archive", id: "listArchive" },
    summary: "The files of the archive, the newest day first",
    more: "since and until are of the days of receipt (UTC).",
    query: listQuery(archive),
    answer: archivePage,
    errors: ["cursor_expired"],
    run: (asked, place) => listPage(archive, asked, place),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/archive/verify", id: "verifyArchive" },
    summary: "Reads every file of the archive and counts those that are missing or damaged, as a task",
    more: "The task is done when all are read: failed counts what is wrong, and error says in words what.",
    body: v.strictObject({ day }),
    accepted: taskMade,
    errors: ["task_running"],
    async run({ body, caller }, { store, ports }) {
      const run = { verb: "verifyArchive" as const, options: boundsOf(body.day), by: `api ${caller.name}` };
      return accepted({ task: await startRun(store, run, ports.clock.now()) });
    },
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/archive/restore", id: "restoreArchive" },
    summary: "Gives archived events their bodies back, of a day or of a video, as a task",
    more: "They stay for seven days at least. failed counts events that are not in this database, or were erased.",
    body: v.strictObject({ day, videoId: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(LONGEST))) }),
    accepted: taskMade,
    errors: ["task_running"],
    async run({ body, caller }, { store, ports }) {
      const { videoId } = body;
      if ((body.day === undefined) === (videoId === undefined))
        throw new RelayError("bad_request", "name a day, or a videoId");
      const options = { ...boundsOf(body.day), ...(videoId !== undefined && { videoId }) };
      const run = { verb: "restoreArchive" as const, options, by: `api ${caller.name}` };
      return accepted({ task: await startRun(store, run, ports.clock.now()) });
    },
  }),
];
