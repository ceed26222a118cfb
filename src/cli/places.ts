import { type TargetPlace, typeOf } from "../targets/table.ts";

/** What an operator calls a target. */
export const describePlace = (place: TargetPlace) => typeOf(place).describe(place);

/** The folder of this machine that holds a target's copies; null: they are elsewhere. */
export const folderOfPlace = (place: TargetPlace) => typeOf(place).folderOf(place);
