import type { Config } from "../config.ts";
import type { TargetPlace } from "../domain.ts";
import type { Store } from "../store/store.ts";

/** The id of the target that the config names; null: no copy was ever kept there. Asks, and writes nothing. */
export async function findPresent(
  store: Pick<Store, "targets">,
  target: Config["mirror"]["target"],
): Promise<string | null> {
  return (await store.targets()).find(({ place }) => isPlaceOf(place, target))?.id ?? null;
}

function isPlaceOf(place: TargetPlace, target: Config["mirror"]["target"]): boolean {
  if (place.type === "local") return target.type === "local" && target.dir === place.dir;
  if (target.type === "local") return false;
  return target.bucket === place.bucket && target.endpoint === place.endpoint && target.prefix === place.prefix;
}

/** What an operator calls a target. */
export function describePlace(place: TargetPlace): string {
  if (place.type === "local") return `the folder ${place.dir}`;
  const below = place.prefix === "" ? "" : `/${place.prefix}`;
  return `the bucket ${place.bucket}${below}${place.endpoint === null ? "" : ` at ${place.endpoint}`}`;
}
