/**
 * An autosave is never a duplicate. It counts as "another event in between" only where it changed the state, context or title
 * of its video (CONTRACT, "Duplicate").
 */
export function isAutosave(type: string | null): boolean {
  return type === "draft.update";
}

/** What an event said of its video. `late`: from quarantine; its place among the others is not the one by which it is next to them. */
export type Said = { type: string | null; context: string | null; late: boolean };

/**
 * Whether an expired event goes whole (CONTRACT, "Retention"): an autosave that is not the newest of its video. One that
 * says a context stays where that begins, or is the last to say it: the mapping and its history are read from what is left.
 * `before`, `after`: the events next to it, the nearest first.
 */
export function goesWhole(
  own: Said & { failure: boolean },
  { before, after }: { before: Said[]; after: Said[] },
): boolean {
  if (!isAutosave(own.type) || own.failure || own.late) return false;
  if (!after.some(({ type, late }) => isAutosave(type) && !late)) return false;
  if (own.context === null) return true;
  return [before, after].every((all) => {
    const next = all.find(({ context }) => context !== null);
    return next?.context === own.context && !next.late;
  });
}
