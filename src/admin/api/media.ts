import { media, retryMedium, showMedium } from "../../actions/media.ts";
import { medium, mediumPage } from "../answers/events.ts";
import { type Operation, operation } from "../operation.ts";
import { listPage, listQuery } from "../query.ts";

const TAG = { tag: "media" } as const;

export const mediaOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/media", id: "listMedia" },
    summary: "The videos' files, newest first: where they are, or why not",
    query: listQuery(media.filters),
    answer: mediumPage,
    errors: ["cursor_expired"],
    run: (asked, place) => listPage(media, asked, place),
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/media/{id}", id: "showMedium" },
    summary: "One medium",
    answer: medium,
    errors: ["not_found"],
    run: async ({ path }, { store, openLink }) => showMedium(store, path.id!, await openLink()),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/media/{id}/retry", id: "retryMedium" },
    summary: "Downloads a medium again",
    answer: medium,
    errors: ["not_found", "conflict"],
    run: async ({ path }, { store, openLink, ports }) =>
      retryMedium(store, path.id!, await openLink(), ports.clock.now()),
  }),
];
