import type { TaskVerb } from "../../../model/task.ts";
import { pageOf } from "../../parts/links.ts";

/** What a verb is called, what it is done to, and what then happens. */
export type VerbWords = {
  button: string;
  nouns: readonly [one: string, many: string];
  /** The page that lists what it is done to. */
  list: { path: string; name: string };
  itemPage(id: string): string;
  will: readonly string[];
};

const DELIVERIES = {
  nouns: ["delivery", "deliveries"],
  list: { path: "/deliveries", name: "Deliveries" },
  itemPage: pageOf.delivery,
} as const;

export const VERBS: Record<TaskVerb, VerbWords> = {
  retry: {
    ...DELIVERIES,
    button: "Retry",
    will: [
      "They go out at once, oldest first, in order per video, as many at a time as their endpoint may have.",
      "Each has all of its attempts again. The webhook-id stays the same: an app that keeps it does nothing twice.",
    ],
  },
  cancel: {
    ...DELIVERIES,
    button: "Cancel",
    will: [
      "Nothing sends them again, unless they are retried. What waits behind them goes out.",
      "One that is being sent just now ends with its attempt, and counts as delivered if that succeeds.",
    ],
  },
  replay: {
    // One for each event and endpoint.
    button: "Send",
    nouns: ["new delivery", "new deliveries"],
    list: { path: "/events", name: "Events" },
    itemPage: pageOf.event,
    will: [
      "They go out oldest first, in order per video, each built of what is known now.",
      "An event without its body cannot be sent again, and is counted as failed.",
    ],
  },
  reprocess: {
    button: "Reprocess",
    nouns: ["refused body", "refused bodies"],
    list: { path: "/quarantine", name: "Quarantine" },
    itemPage: pageOf.quarantined,
    will: [
      "What reads as an event is taken in, with the time at which it came, and leaves the quarantine.",
      "What does not read as one stays, and is counted as failed.",
    ],
  },
};
