/** The filter by type of lists of events and deliveries. */
export const typeFilter = {
  value: "TYPE",
  help: 'only of this type, like video.ready, or of all that "draft.*" means; several with commas',
} as const;

/** The filter by title of lists of events and videos. */
export const titleFilter = {
  option: "title",
  help: "only with this in the title: three characters at least, in upper or lower case",
} as const;

/** The patterns of a `type` filter: several are written with commas between them. */
export function typesOf(type: string | undefined): string[] | undefined {
  return type?.split(",").map((pattern) => pattern.trim());
}
