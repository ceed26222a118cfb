import type { Store } from "../store/store.ts";
import { nameOfPlace, placeOfTarget, type Target, type TargetPlace, typeOf } from "../targets/table.ts";

/** The id of the target that the config names; null: it has never held a copy. Writes nothing. */
export async function findPresent(store: Pick<Store, "targets">, target: Target): Promise<string | null> {
  const name = nameOfPlace(placeOfTarget(target));
  return (await store.targets()).find(({ place }) => nameOfPlace(place) === name)?.id ?? null;
}

/** What an operator calls a target. */
export const describePlace = (place: TargetPlace) => typeOf(place).describe(place);

/** The folder of this machine that holds a target's copies; null: they are elsewhere. */
export const folderOfPlace = (place: TargetPlace) => typeOf(place).folderOf(place);
