/**
 * Autosaves repeat by nature: never a duplicate, and "another event in between" only where one changed the state, context
 * or title of its video (CONTRACT, "Duplicate").
 */
export function isAutosave(type: string | null): boolean {
  return type === "draft.update";
}
