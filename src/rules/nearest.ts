import { closest, distance } from "fastest-levenshtein";

/** The known name nearest to a mistyped one; null when none is near. */
export function nearest(given: string, known: readonly string[]): string | null {
  if (known.length === 0 || given.length > 64) return null;
  const plain = given.toLowerCase();
  const byPlain = new Map(known.map((name) => [name.toLowerCase(), name]));
  const candidate = closest(plain, [...byPlain.keys()]);
  // Two edits in five letters, four in ten, or two letters swapped.
  const slips = distance(plain, candidate);
  const isNear = slips <= Math.max(1, Math.floor(plain.length * 0.4)) || (slips === 2 && isAnagram(plain, candidate));
  return isNear ? byPlain.get(candidate)! : null;
}

/** ": did you mean …?" or, when nothing is near, what there is; "" where there is nothing. */
export function suggest(given: string, known: readonly string[]): string {
  if (known.length === 0) return "";
  const meant = nearest(given, known);
  return meant === null ? `: the known ones are ${known.join(", ")}` : `: did you mean "${meant}"?`;
}

function isAnagram(one: string, other: string): boolean {
  return [...one].sort().join("") === [...other].sort().join("");
}
