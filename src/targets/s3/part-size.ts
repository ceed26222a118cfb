const MIB = 2 ** 20;

/** Bytes. Larger files go in parts of this size. */
export const PART_SIZE = 8 * MIB;

/** Stores take 10,000 parts (AWS, "Multipart upload limits"); some room is left. */
const MOST_PARTS = 9_000;

/**
 * The size of the parts of a file of this length, in bytes. All parts but the last are equal: some stores require it.
 */
export function partSizeOf(length: number): number {
  return Math.max(PART_SIZE, Math.ceil(length / MOST_PARTS / MIB) * MIB);
}
