/** The filter by type of lists of events and deliveries. */
export const typeFilter = {
  value: "TYPE",
  help: 'only of this type, like video.ready, or of all that "draft.*" means; several with commas',
} as const;

/** What a list may be narrowed down to by words with commas between them: one of them, or several. */
export function statesOf<State extends string>(given: string | undefined): { state?: State; states?: State[] } {
  const states = [...new Set(given?.split(",").map((one) => one.trim() as State))];
  const [first] = states;
  if (first === undefined) return {};
  return states.length === 1 ? { state: first } : { states };
}

/** The same in place of the `state` of a query. */
export const inStates = <State extends string>({ state }: { state?: string | undefined }) => ({
  ...{ state: undefined, states: undefined },
  ...statesOf<State>(state),
});

/** The filter by title of lists of events and videos. */
export const titleFilter = {
  option: "title",
  help: "only with this in the title: three characters at least, in upper or lower case",
} as const;

/** The patterns of a `type` filter: several are written with commas between them. */
export function typesOf(type: string | undefined): string[] | undefined {
  return type?.split(",").map((pattern) => pattern.trim());
}
