import { RelayError } from "../errors.ts";
import { local } from "./local/type.ts";
import { s3 } from "./s3/type.ts";
import type { CopyName, MirrorTarget, Opening } from "./target.ts";
import type { TargetType } from "./type.ts";

/** The types of targets: each is a folder beside this file, and a name in this table. */
export const targetTypes = { local, s3 };

type Types = typeof targetTypes;

/** A target of any type as the config gives it: paths absolute, secrets read. */
export type Target = ReturnType<Types[keyof Types]["resolve"]>;

/** What the store remembers of a target of any type. */
export type TargetPlace = ReturnType<Types[keyof Types]["placeOf"]>;

type AnyType = TargetType<Types[keyof Types]["options"], TargetPlace, Target>;

/** The entry for a target or a place. RelayError("conflict") for a type that only a later version has. */
export function typeOf({ type }: { type: string }): AnyType {
  if (Object.hasOwn(targetTypes, type)) return (targetTypes as unknown as Record<string, AnyType>)[type]!;
  const line = `copies are in a target of type ${JSON.stringify(type)}, which this version does not support`;
  throw new RelayError("conflict", line);
}

/** A folder as a target: what is kept beside copies, with the same care. */
export const folderTarget = (dir: string): Target => ({ type: "local", dir });

/** The target of a config that names none. */
export function defaultTarget(dataDir: string): Target {
  return local.resolve({ type: "local" }, { folder: dataDir, dataDir, secrets: {} });
}

/** Opens a target. Throws where it cannot be used now. */
export function openTarget(target: Target, opening: Opening = {}): Promise<MirrorTarget> {
  return typeOf(target).open(target, opening);
}

export function placeOfTarget(target: Target): TargetPlace {
  return typeOf(target).placeOf(target);
}

export function nameOfPlace(place: TargetPlace): string {
  return typeOf(place).nameOf(place);
}

/** All names of a copy, its own first. Places of different types never share a copy. */
export async function namesOfCopy(
  copy: { target: string; key: string },
  targets: { id: string; place: TargetPlace }[],
): Promise<CopyName[]> {
  const own = { ...copy, isCertain: true };
  const place = targets.find(({ id }) => id === copy.target)?.place;
  if (place === undefined) return [own];
  const others = targets.filter((one) => one.id !== copy.target && one.place.type === place.type);
  return [own, ...(await typeOf(place).otherNames({ place, key: copy.key }, others))];
}
