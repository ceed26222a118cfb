/** How `suspect` begins of a copy that is only part of its file: all that came before its link died. */
export const NOT_WHOLE = "not whole";

/** Whether a medium has such a copy: a fresher link is asked for the whole. */
export function isPartOnly({ suspect }: { suspect: string | null }): boolean {
  return suspect?.startsWith(NOT_WHOLE) ?? false;
}
