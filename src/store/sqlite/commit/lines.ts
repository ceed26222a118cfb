/**
 * What waits for a commit: events that come in, or the work on them (claims, settling). Where both wait, each has half of a
 * commit: a flood of events does not stop deliveries, and the end of an outage does not hold up acknowledgements.
 */
export type Line = "intake" | "work";

/** The two lines, each first in, first out. `bytes`: about how many a write writes. */
export function createLines<W extends { line: Line; bytes: number }>() {
  const lines: Record<Line, W[]> = { intake: [], work: [] };
  /** Whose half is rounded up, in turn: a commit may be of one write. */
  let roundsUp = false;

  return {
    count: () => lines.intake.length + lines.work.length,
    add: (write: W) => void lines[write.line].push(write),

    /** Takes at most `size` writes, and no more once they have `bytes`; one at least. Work comes first: it frees slots. */
    take(size: number, bytes: number): W[] {
      const { intake, work } = lines;
      roundsUp = !roundsUp;
      const half = roundsUp ? Math.ceil(size / 2) : Math.floor(size / 2);
      const works = Math.min(work.length, Math.max(half, size - intake.length));
      const chosen = [...work.slice(0, works), ...intake.slice(0, size - works)];
      let count = 0;
      for (let sum = 0; count < chosen.length && (count === 0 || sum < bytes); count++) sum += chosen[count]!.bytes;
      work.splice(0, Math.min(works, count));
      intake.splice(0, Math.max(0, count - works));
      return chosen.slice(0, count);
    },

    /** Puts back what was taken, to where it was or behind the others. */
    putBack(taken: W[], where: "first" | "last"): void {
      for (const line of ["intake", "work"] as const) {
        const own = taken.filter((write) => write.line === line);
        lines[line] = where === "first" ? [...own, ...lines[line]] : [...lines[line], ...own];
      }
    },

    /** Takes out what is unwanted. */
    drop(isUnwanted: (write: W) => boolean): W[] {
      const dropped: W[] = [];
      for (const line of ["intake", "work"] as const) {
        dropped.push(...lines[line].filter(isUnwanted));
        lines[line] = lines[line].filter((write) => !isUnwanted(write));
      }
      return dropped;
    },
  };
}
