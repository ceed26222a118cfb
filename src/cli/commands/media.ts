import { media, mediaToRetry, retriedFilters, retryMedium } from "../../actions/media.ts";
import type { CommandGroup } from "../command.ts";
import { listCommand, verbCommand } from "../verbs.ts";
import { links } from "./media/links.ts";
import { move } from "./media/move.ts";
import { verify } from "./media/verify.ts";

const list = listCommand(media, {
  name: "media list",
  summary: "the videos' files: where they are, or why not, newest first",
  empty: "no event has announced a file yet",
  next: '"wochit-relay media retry ID" downloads one again; "events show" of its event says more',
  examples: {
    "wochit-relay media list --state failed": "shows what has no copy, and why",
    "wochit-relay media list --by deadline": "shows whose links die next",
  },
});

const retry = verbCommand({
  name: "media retry",
  summary: "downloads a medium again",
  examples: {
    "wochit-relay media retry med_1k800hr143c5p2qa1": "downloads one again",
    "wochit-relay media retry --state failed --since 1d": "downloads again what failed since yesterday",
    "wochit-relay media retry --video-id 5f3e1c0d2b4a69788796a5b4": "downloads again what a video lacks",
  },
  help: `Either one medium, or all that the filters match: those that failed or expired, unless
--state says otherwise. An expired link is tried all the same. For a mirrored one
whose copy is missing or damaged, use "media verify --mend".`,
  noun: "medium",
  filters: retriedFilters,
  done: "queued for download",
  async one({ store, openLink }, id, now) {
    return { value: await retryMedium(store, id, await openLink(), now), text: `${id} queued for download` };
  },
  find: ({ store }, filter) => mediaToRetry(store, filter),
  each: ({ store }, id, now) => store.retryMedium(id, now),
});

export const command: CommandGroup = {
  name: "media",
  summary: "the copies of videos and thumbnails",
  verbs: { list, verify, retry, move, links },
};
