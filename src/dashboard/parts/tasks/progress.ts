import { DONE, type TaskJson } from "../../../actions/tasks.ts";
import { type Html, html, none } from "../html.ts";
import { withQuery } from "../links.ts";
import { number } from "../text.ts";

/** What a task does, as a title; `list`: where what it takes is listed. */
const VERBS: Record<TaskJson["verb"], { title: string; list?: string }> = {
  retry: { title: "Retry deliveries", list: "/deliveries" },
  cancel: { title: "Cancel deliveries", list: "/deliveries" },
  replay: { title: "Replay events", list: "/events" },
  reprocess: { title: "Reprocess refused requests", list: "/quarantine" },
  verify: { title: "Verify copies" },
  move: { title: "Move copies" },
  backup: { title: "Back up the database" },
  prune: { title: "Prune what is old" },
  verifyArchive: { title: "Verify the archive" },
  restoreArchive: { title: "Restore from the archive" },
};

export const taskTitle = ({ verb }: Pick<TaskJson, "verb">): string => VERBS[verb].title;

export const hasEnded = ({ state }: Pick<TaskJson, "state">): boolean => state !== "queued" && state !== "running";

/** Of how many it has seen. */
const seenOf = ({ done, failed, skipped }: TaskJson): number => done + failed + skipped;

/** A bar, of one that has not ended. */
export function progressBar(task: TaskJson): Html {
  const { id, total } = task;
  if (hasEnded(task) || total === null || total === 0) return none;
  return html`<progress max="${total}" value="${Math.min(total, seenOf(task))}" aria-label="Progress of ${id}"></progress>`;
}

/** "12 of 30 retried, 2 failed, 1 had changed" */
export function countWords(task: TaskJson): string {
  const { verb, total, done, failed, skipped } = task;
  const of = total === null ? "" : ` of ${number(total)}`;
  return [
    `${number(done)}${of} ${DONE[verb]}`,
    failed > 0 && `${number(failed)} failed`,
    skipped > 0 && `${number(skipped)} had changed`,
  ]
    .filter((words) => words !== false)
    .join(", ");
}

/** The list of what it takes, as it is now; null: it was given by ids, or is of all. */
export function listOf({ verb, filter }: Pick<TaskJson, "verb" | "filter">): string | null {
  const { list } = VERBS[verb];
  const { ids, types, states, since, until, ...rest } = filter;
  if (list === undefined || ids !== undefined) return null;
  const iso = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());
  const query = {
    ...(verb === "retry" && rest.state === undefined && { state: "dead" }),
    ...(rest as Record<string, string>),
    ...(states !== undefined && { state: states.join(",") }),
    type: types?.join(","),
    since: iso(since),
    until: iso(until),
  };
  return withQuery(list, query);
}
