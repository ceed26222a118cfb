import { quarantine, reprocess, showQuarantined } from "../../actions/quarantine.ts";
import { quarantinePage } from "../answers/events.ts";
import { quarantinedDetails, reprocessed } from "../answers/relay.ts";
import { bytesAnswer } from "../bytes.ts";
import { filterOf, manyOperation } from "../many.ts";
import { type Operation, operation } from "../operation.ts";
import { listPage, listQuery } from "../query.ts";

const TAG = { tag: "quarantine" } as const;

export const quarantineOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/quarantine", id: "listQuarantine" },
    summary: "What was refused, newest first",
    query: listQuery(quarantine),
    answer: quarantinePage,
    errors: ["cursor_expired"],
    run: (asked, place) => listPage(quarantine, asked, place),
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/quarantine/{id}", id: "showQuarantined" },
    summary: "One refused request with its body, as text where it is UTF-8",
    answer: quarantinedDetails,
    errors: ["not_found"],
    run: ({ path }, { store }) => showQuarantined(store, path.id!),
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/quarantine/{id}/body", id: "readQuarantinedBody" },
    summary: "The bytes of a refused request, exactly as they were received",
    answer: { bytes: "application/octet-stream" },
    errors: ["not_found"],
    run: async ({ path }, { store }) => bytesAnswer((await store.quarantinedBody(path.id!)).body, path.id!),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/quarantine/{id}/reprocess", id: "reprocess" },
    summary: "Takes a refused body in as if it had been allowed",
    answer: reprocessed,
    errors: ["not_found", "invalid_json", "invalid_event"],
    run: ({ path }, { store, acceptKept }) => reprocess(store, acceptKept, path.id!),
  }),
  manyOperation({
    ...{ ...TAG, verb: "reprocess", path: "/quarantine/reprocess", id: "reprocessMany" },
    summary: "Takes many refused bodies in, the oldest first",
    filters: quarantine.filters,
    wish: (filter) => ({ filter: filterOf(filter) }),
  }),
];
