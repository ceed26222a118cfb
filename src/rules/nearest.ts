import { closest, distance } from "fastest-levenshtein";

/** The known name that somebody most likely meant, or null when none is near. */
export function nearest(given: string, known: readonly string[]): string | null {
  if (known.length === 0 || given.length > 64) return null;
  const plain = given.toLowerCase();
  const byPlain = new Map(known.map((name) => [name.toLowerCase(), name]));
  const candidate = closest(plain, [...byPlain.keys()]);
  // Two slips in a word of five letters, four in one of ten, and letters in another order: beyond that a guess is noise.
  const slips = distance(plain, candidate);
  const isNear = slips <= Math.max(1, Math.floor(plain.length * 0.4)) || (slips === 2 && isAnagram(plain, candidate));
  return isNear ? byPlain.get(candidate)! : null;
}

/** ": did you mean …?" or, when nothing is near, what there is. */
export function suggest(given: string, known: readonly string[]): string {
  const meant = nearest(given, known);
  return meant === null ? `: the known ones are ${known.join(", ")}` : `: did you mean "${meant}"?`;
}

function isAnagram(one: string, other: string): boolean {
  return [...one].sort().join("") === [...other].sort().join("");
}
