/** At most this many rows of a table, and bytes of bodies, are erased or changed in one transaction: some milliseconds. */
export const PER_PIECE = 250;
const BYTES_PER_PIECE = 4 * 2 ** 20;

export type Sized = { id: number; bytes: number | null };

/** The first of these whose bodies go into one piece; one at least. */
export function takeSome<Row extends Sized>(rows: Row[]): Row[] {
  let bytes = 0;
  return rows.filter((row, at) => {
    bytes += row.bytes ?? 0;
    return at === 0 || bytes <= BYTES_PER_PIECE;
  });
}

/** Whether there may be more than these that were taken of those found, of which `most` were looked for. */
export function hasMore(found: Sized[], taken: Sized[], most: number): boolean {
  return taken.length < found.length || found.length === most;
}
