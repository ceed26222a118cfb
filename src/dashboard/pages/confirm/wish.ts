import * as v from "valibot";
import { deliveries } from "../../../actions/deliveries.ts";
import { events } from "../../../actions/events.ts";
import { isoTime } from "../../../actions/json.ts";
import type { Filters } from "../../../actions/list.ts";
import { quarantine } from "../../../actions/quarantine.ts";
import { check } from "../../../admin/check.ts";
import { filterOf } from "../../../admin/many.ts";
import type { Place } from "../../../admin/operation.ts";
import { filterEntries, type Given, rangeEntries, readSelection } from "../../../admin/query.ts";
import { RelayError } from "../../../errors.ts";
import type { TaskVerb, TaskWish } from "../../../model/task.ts";
import type { Form } from "../../page.ts";

// Which of many are meant: from the filters of a list, in the words of the API.

const FILTERS: Record<TaskVerb, Filters> = {
  retry: deliveries.filters,
  cancel: deliveries.filters,
  replay: events.filters,
  reprocess: quarantine.filters,
};

/** `fields`: the same wish as a form sends it, with times that do not move; `given`: as it came. */
export type AskedWish = {
  wish: TaskWish;
  fields: Record<string, string>;
  ids: string[];
  given: Record<string, string>;
};

/** RelayError("invalid_query") for a filter that means nothing. */
export async function readWish(verb: TaskVerb, { fields, all }: Form, place: Place): Promise<AskedWish> {
  const entries = { ...filterEntries(FILTERS[verb]), ...rangeEntries };
  const given = Object.fromEntries(Object.entries(fields).filter(([name]) => name in entries));
  const ids = all("id");
  // As in the API; for other verbs they would narrow nothing down.
  if (ids.length > 0 && verb !== "retry" && verb !== "cancel") {
    throw new RelayError("invalid_query", `id: nothing is named by ids to ${verb} it`);
  }
  const query = check(v.strictObject(entries) as v.GenericSchema<unknown, Given>, given, "invalid_query");
  const { since, until, failedSince, ...filter } = await readSelection<Filters>(query, place);
  // What comes while a person thinks is not meant: the count holds.
  const end = until ?? (ids.length > 0 ? undefined : place.ports.clock.now());
  const flags = verb === "replay" ? { onlyDead: fields.onlyDead === "true", newId: fields.newId === "true" } : {};
  const isNarrowed = Object.keys(given).length > 0 || flags.onlyDead === true;
  const times = {
    ...(since !== undefined && { since }),
    ...(end !== undefined && isNarrowed && { until: end }),
    ...(typeof failedSince === "number" && { failedSince }),
  };
  const wish = {
    verb,
    filter: filterOf({ ...filter, ...times, ...(ids.length > 0 && { ids }) }),
    ...(flags.onlyDead && { onlyDead: true }),
    ...(flags.newId && { newId: true }),
  };
  const fixed = {
    ...given,
    ...Object.fromEntries(Object.entries(times).map(([name, time]) => [name, isoTime(time)])),
    ...(flags.onlyDead && { onlyDead: "true" }),
    ...(flags.newId && { newId: "true" }),
  };
  return { wish, fields: fixed, ids, given };
}
