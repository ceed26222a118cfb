import type { Config } from "../config/schema.ts";
import { RelayError } from "../errors.ts";
import type { MediaState, Medium } from "../model/medium.ts";
import { freeBytes } from "../platform/files/disk-space.ts";
import type { Store } from "../store/store.ts";
import { nameOfPlace } from "../targets/table.ts";
import { inStates } from "./filters/types.ts";
import { formatSize, relativeTime } from "./format.ts";
import { isoTime, type Link, type MediumJson, mediumJson } from "./json.ts";
import { type Column, collectIds, list, type Selection, walk } from "./list.ts";

/** States in which the end of the link still matters, or mattered. */
const DEPENDS_ON_LINK = new Set<MediaState>(["pending", "running", "failed", "expired"]);

/** Beside the members of a medium, in lists: what all downloads wait for, in words. */
const HELD = Symbol("held");

type ListedMedium = MediumJson & { [HELD]?: string | null };

export const mediumColumns: Column<ListedMedium>[] = [
  { title: "ID", value: ({ id }) => id, whole: true },
  { title: "KIND", value: ({ kind }) => kind, whole: true },
  { title: "STATE", value: ({ state }) => state, whole: true },
  {
    title: "LINK DIES",
    value: ({ state, deadline }, now) => (DEPENDS_ON_LINK.has(state) ? relativeTime(Date.parse(deadline), now) : null),
    whole: true,
    spare: 1,
  },
  { title: "BYTES", value: ({ bytes }) => bytes, whole: true, spare: 4 },
  { title: "VIDEO", value: ({ videoId }) => videoId, least: 24 },
  { title: "WHERE", value: ({ url, sourceUrl }) => url ?? sourceUrl, below: true },
  {
    title: "ERROR",
    value: ({ lastError, suspect, [HELD]: held }) =>
      [held, lastError ?? suspect].filter((words) => words != null).join("; ") || null,
    below: true,
  },
];

/** A medium that has a copy of its own. */
export type Kept = Medium & { target: string; key: string };

/** A superseded row keeps its key, but the copy under it belongs to another row. */
export function hasCopy(medium: Medium): medium is Kept {
  const { state, target, key } = medium;
  return state !== "superseded" && state !== "deleted" && target !== null && key !== null;
}

/** What `media verify` and `media retry` take, too. */
export const copyFilters = {
  videoId: { value: "ID", help: "only of this video" },
  kind: { words: ["video", "thumbnail"], help: "only of this kind" },
} as const;

export const media = list({
  filters: {
    state: {
      isMany: true,
      words: ["pending", "running", "mirrored", "failed", "expired", "skipped", "superseded", "deleted"],
      help: "only in this state, or in one of these",
    },
    ...copyFilters,
    suspect: { isFlag: true, help: "only copies that are odd in some way" },
    by: { words: ["deadline"], value: "ORDER", help: "only what is not secured yet, in this order" },
  },
  async *rows({ store, openLink, config }, { by, ...query }) {
    const [link, held] = await Promise.all([openLink(), whyHeld(config)]);
    const asked = { ...query, ...inStates<MediaState>(query), byDeadline: by === "deadline" };
    yield* walk(
      (page) => store.media(page),
      asked,
      (medium): ListedMedium => ({
        ...mediumJson(medium, link),
        [HELD]: medium.state === "pending" && medium.securedAt === null ? held : null,
      }),
    );
  },
  total: ({ store }, { by, ...filter }) =>
    store.countListed({
      list: "media",
      filter: { ...filter, ...inStates<MediaState>(filter), byDeadline: by === "deadline" },
    }),
  columns: mediumColumns,
});

/** Why nothing is downloaded; null: nothing holds it. */
async function whyHeld({ dataDir, mirror }: Pick<Config, "dataDir" | "mirror">): Promise<string | null> {
  const free = mirror.enabled ? await freeBytes(dataDir).catch(() => null) : null;
  if (free === null || free >= mirror.minFreeDisk) return null;
  return `waits for disk: ${formatSize(free)} free, below mirror.minFreeDisk (${formatSize(mirror.minFreeDisk)})`;
}

/** The states in which a download can be begun again. */
export const retriedFilters = {
  state: {
    isMany: true,
    words: ["pending", "failed", "expired", "skipped"],
    help: "all in this state, or in one of these (default: those that failed or expired)",
  },
  ...copyFilters,
} as const;

export type MediaFilter = Selection<typeof media.filters>;

export const showMedium = async (store: Store, id: string, link: Link): Promise<MediumJson> =>
  mediumJson(await store.medium(id), link);

/** Downloads a medium again, from the first attempt on. */
export async function retryMedium(store: Store, id: string, link: Link, now: number): Promise<MediumJson> {
  try {
    await store.retryMedium(id, now);
  } catch (error) {
    if (!(error instanceof RelayError) || error.code !== "conflict") throw error;
    if ((await store.medium(id)).state !== "mirrored") throw error;
    const message = `${id} is mirrored; "media verify --mend" downloads copies again that are damaged`;
    throw new RelayError("conflict", message);
  }
  return showMedium(store, id, link);
}

/** The media that a retry by this filter takes: without a state those that came to nothing. Oldest first. */
export async function mediaToRetry(
  store: Pick<Store, "media">,
  filter: Selection<typeof retriedFilters>,
): Promise<string[]> {
  const states = inStates<MediaState>({ state: filter.state ?? "failed,expired" });
  // Ids sort by the time they were given.
  return (await collectIds((page) => store.media(page), { ...filter, ...states })).sort();
}

/**
 * One medium, with when it was first tried, when its bytes were safe, when it came to its end (null: not yet, or not known), and
 * where its copy lies, in words (null: it has none).
 */
export async function explainMedium(store: Store, id: string, link: Link) {
  const medium = await store.medium(id);
  const { firstTriedAt, securedAt, settledAt, target } = medium;
  const place = hasCopy(medium) ? (await store.targets()).find((one) => one.id === target)?.place : undefined;
  return {
    ...mediumJson(medium, link),
    firstTriedAt: isoTime(firstTriedAt),
    securedAt: isoTime(securedAt),
    settledAt: isoTime(settledAt),
    place: place === undefined ? null : nameOfPlace(place),
  };
}
