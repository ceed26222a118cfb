import * as v from "valibot";
import { statesOf, typesOf } from "../actions/filters/types.ts";
import type { Filter, Filters } from "../actions/list.ts";
import { countMatching, matchingJson, showTask, startTask } from "../actions/tasks.ts";
import type { JobState } from "../model/job.ts";
import type { TaskFilter, TaskVerb, TaskWish } from "../model/task.ts";
import { matching, taskMade } from "./answers/relay.ts";
import { type Asked, accepted, type Operation, operation, type Place, type Schema, type Tag } from "./operation.ts";
import { checkWords, some, timesOf } from "./query.ts";

// What is done to many: counted (dryRun), or as a task (CONTRACT, "Many at once").

/** Ids of one request. */
const MOST_IDS = 1_000;

const LONGEST = 4_096;

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(LONGEST));

function memberOf({ words, isFlag, isMany, help }: Filter): Schema {
  const word = words === undefined ? text : isMany ? some(words) : v.picklist([...words]);
  const value = isFlag ? v.boolean() : word;
  return v.optional(v.pipe(value as Schema, v.description(help)));
}

/** Filters and times as members of a body. */
export const bodyEntries = (filters: Filters) => ({
  ...Object.fromEntries(Object.entries(filters).map(([name, filter]) => [name, memberOf(filter)])),
  since: v.optional(text),
  until: v.optional(text),
});

type ManyBody = Record<string, unknown> & {
  since?: string;
  until?: string;
  failedSince?: string;
  dryRun?: boolean;
  expect?: number;
  ratePerSecond?: number;
};

type Many = {
  verb: TaskVerb;
  path: string;
  id: string;
  tag: Tag;
  summary: string;
  filters: Filters;
  /** Members of its own, beside the filters. */
  own?: Record<string, Schema>;
  /** False: it is done as fast as it can be. */
  isPaced?: boolean;
  /** They may be named by their ids, too. */
  takesIds?: boolean;
  wish(filter: Record<string, unknown>): Omit<TaskWish, "verb">;
};

export function manyOperation(many: Many): Operation {
  const { path, id, tag, summary, filters, own = {}, isPaced = true, takesIds = false } = many;
  const entries = {
    ...bodyEntries(filters),
    ...own,
    ...(takesIds && {
      ids: v.optional(
        v.pipe(v.array(text), v.minLength(1), v.maxLength(MOST_IDS, `must hold at most ${MOST_IDS} ids`)),
      ),
    }),
    ...(isPaced && {
      ratePerSecond: v.optional(v.pipe(v.number(), v.gtValue(0, "must be more than 0"), v.maxValue(1_000_000))),
    }),
    dryRun: v.optional(v.pipe(v.boolean(), v.description("Count only, and change nothing"))),
    expect: v.optional(v.pipe(whole, v.description("The count that was confirmed: 409 where there are more by now"))),
  };
  return operation({
    ...{ method: "POST", path, id, tag, summary },
    more: `Filters are those of the list${takesIds ? ", or ids" : ""}, at least one. dryRun answers the count (200); else 202 with a task.`,
    body: v.strictObject(entries) as unknown as Schema<ManyBody>,
    answer: matching,
    accepted: taskMade,
    errors: ["not_found", "conflict", "count_changed", "task_running"],
    run: (asked, place) => run(many, asked, place),
  });
}

async function run({ verb, wish }: Many, { body, caller, signal }: Asked<unknown, ManyBody>, place: Place) {
  const { store, ports } = place;
  const { dryRun = false, expect = null, ratePerSecond: rate = null, since, until, failedSince, ...given } = body;
  const now = ports.clock.now();
  const times = timesOf({ since, until, failedSince }, now, "bad_request");
  const filter = Object.fromEntries(Object.entries({ ...given, ...times }).filter(([, value]) => value !== undefined));
  const wished: TaskWish = { verb, ...wish(filter) };
  const { endpoint, types, q } = wished.filter;
  // A replay goes to endpoints of the config only: the store says so.
  const own = verb === "replay" ? undefined : endpoint;
  await checkWords(place, { endpoint: own, type: types?.join(), q }, "bad_request");
  if (dryRun) return matchingJson(await countMatching(store, wished, signal));
  const { id } = await startTask(store, wished, { by: `api ${caller.name}`, rate, expect }, ports.clock);
  return accepted({ task: await showTask(store, id) });
}

/** The filter of a wish, from members that were checked. */
export const filterOf = ({ type, state, ...given }: Record<string, unknown>): TaskFilter => ({
  ...(given as TaskFilter),
  ...(typeof state === "string" && statesOf<JobState>(state)),
  ...(typeof type === "string" && { types: typesOf(type)! }),
});
