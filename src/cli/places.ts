import type { Config } from "../config/schema.ts";
import type { TargetPlace } from "../model/medium.ts";
import type { Store } from "../store/store.ts";
import { nameOfPlace, placeOfTarget } from "../targets/place.ts";

/** The id of the target that the config names; null: no copy was ever kept there. Asks, and writes nothing. */
export async function findPresent(
  store: Pick<Store, "targets">,
  target: Config["mirror"]["target"],
): Promise<string | null> {
  const name = nameOfPlace(placeOfTarget(target));
  return (await store.targets()).find(({ place }) => nameOfPlace(place) === name)?.id ?? null;
}

/** What an operator calls a target. */
export function describePlace(place: TargetPlace): string {
  if (place.type === "local") return `the folder ${place.dir}`;
  const below = place.prefix === "" ? "" : `/${place.prefix}`;
  return `the bucket ${place.bucket}${below}${place.endpoint === null ? "" : ` at ${place.endpoint}`}`;
}
