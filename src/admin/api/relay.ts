import { audit } from "../../actions/audit.ts";
import { isoTime } from "../../actions/json.ts";
import { readStatus } from "../../actions/status.ts";
import { RelayError } from "../../errors.ts";
import { auditPage, status } from "../answers/relay.ts";
import { type Operation, operation } from "../operation.ts";
import { listPage, listQuery } from "../query.ts";

const TAG = { tag: "relay" } as const;

export const relayOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/audit", id: "listAudit" },
    summary: "Who changed what, newest first",
    query: listQuery(audit.filters),
    answer: auditPage,
    errors: ["cursor_expired"],
    run: (asked, place) => listPage(audit, asked, place),
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/status", id: "readStatus" },
    summary: "What there is and what waits, in numbers, and what is wrong",
    answer: status,
    errors: [],
    async run(_, { store, config, version, startedAt, troubles }) {
      const relay = { version, startedAt: isoTime(startedAt), troubles: troubles() };
      const counts = await readStatus(store, config).catch((error) => {
        if (error instanceof RelayError && error.code === "store_unavailable") return { dataDir: config.dataDir };
        throw error;
      });
      return { ...counts, relay };
    },
  }),
];
