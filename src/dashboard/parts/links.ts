// Addresses of pages. Ids of videos come from the network: each is one part of a path, whatever is in it.

const under = (path: string) => (id: string) => `${path}/${encodeURIComponent(id)}`;

/** The page of one thing, by its id. */
export const pageOf = {
  event: under("/events"),
  video: under("/videos"),
  delivery: under("/deliveries"),
  endpoint: under("/endpoints"),
  medium: under("/media"),
  quarantined: under("/quarantine"),
  task: under("/tasks"),
};

/** What stands behind a path's question mark; what is undefined, null or "" is left out. */
export type Query = Record<string, string | number | boolean | null | undefined>;

/** "/events?type=video.ready" */
export function withQuery(path: string, query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** The page that asks before something is done to all that a filter matches. `verb`: "retry", "cancel", "replay" … */
export const confirmOf = (verb: string, filter: Query): string => withQuery("/confirm", { do: verb, ...filter });

/** Whether an address is a page of the dashboard itself: nothing else is ever redirected to. */
export const isOwnPath = (path: string): boolean =>
  /^\/(?![/\\])[\x21-\x7e]*$/.test(path) && !path.includes("\\") && path.length <= 2_000;
