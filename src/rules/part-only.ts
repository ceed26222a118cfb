/** How `suspect` begins for a copy of only a part of its file, which had come before its link expired. */
export const NOT_WHOLE = "not whole";

/** Whether a medium has only such a copy: a fresher link is used to get the whole. */
export function isPartOnly({ suspect }: { suspect: string | null }): boolean {
  return suspect?.startsWith(NOT_WHOLE) ?? false;
}
