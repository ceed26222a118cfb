/**
 * An autosave is never a duplicate. It counts as "another event in between" only where it changed the state, context or title
 * of its video (CONTRACT, "Duplicate").
 */
export function isAutosave(type: string | null): boolean {
  return type === "draft.update";
}
