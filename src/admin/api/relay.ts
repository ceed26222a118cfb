import * as v from "valibot";
import { audit } from "../../actions/audit.ts";
import { isoTime } from "../../actions/json.ts";
import { countPrunable } from "../../actions/prune.ts";
import { listBackups } from "../../actions/relay/backups.ts";
import { effectiveConfig } from "../../actions/relay/effective-config.ts";
import { readStatus, relayJson } from "../../actions/status.ts";
import { startRun } from "../../actions/tasks.ts";
import { RelayError } from "../../errors.ts";
import { auditPage, backups, config, doctor, status, taskMade } from "../answers/relay.ts";
import { prunable } from "../answers/retention.ts";
import { accepted, type DoctorReport, type Operation, operation, processOf } from "../operation.ts";
import { listPage, listQuery } from "../query.ts";

const TAG = { tag: "relay" } as const;

const reportJson = ({ startedAt, endedAt, ...report }: DoctorReport) => ({
  ...report,
  startedAt: isoTime(startedAt),
  endedAt: isoTime(endedAt),
});

export const relayOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/status", id: "readStatus" },
    summary: "What there is and what waits, in numbers, and what is wrong",
    answer: status,
    errors: [],
    async run(_, place) {
      const { store, config, ports } = place;
      const relay = processOf(place);
      return readStatus(store, config, { clock: ports.clock, relay }).catch((error) => {
        if (!(error instanceof RelayError) || error.code !== "store_unavailable") throw error;
        return { dataDir: config.dataDir, relay: relayJson(relay) };
      });
    },
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/config", id: "readConfig" },
    summary: "The config that holds, as its file would say it",
    more: 'With all defaults; in place of each secret is "(set)". `wochit-relay schema` describes it.',
    answer: config,
    errors: [],
    run: async (_, place) => effectiveConfig(place.config),
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/doctor", id: "readDoctor" },
    summary: "The last report of doctor that was asked for here",
    answer: doctor,
    errors: [],
    run: async (_, { doctor }) => reportJson(doctor.report()),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/doctor", id: "runDoctor" },
    summary: "Begins a new report of doctor, unless one is being made",
    more: "It may take a minute, with a large database many: GET /doctor has its lines when it is done.",
    answer: doctor,
    errors: [],
    async run({ note }, place) {
      if (place.doctor.begin()) await note({ verb: "doctor", subject: null, count: null, outcome: "done" });
      return reportJson(place.doctor.report());
    },
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/backups", id: "listBackups" },
    summary: "The backups that are remembered, newest first",
    answer: backups,
    errors: [],
    run: (_, { store }) => listBackups(store),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/backups", id: "makeBackup" },
    summary: "Makes a backup now, where the config puts them, as a task",
    accepted: taskMade,
    errors: ["task_running"],
    run: async ({ caller }, { store, ports }) =>
      accepted({ task: await startRun(store, { verb: "backup", by: `api ${caller.name}` }, ports.clock.now()) }),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/prune", id: "prune" },
    summary: "Removes now what has been kept as long as the config says, as a task; or counts it (dryRun)",
    body: v.strictObject({ dryRun: v.optional(v.boolean()) }),
    answer: prunable,
    accepted: taskMade,
    errors: ["task_running"],
    async run({ body, caller }, { store, config, ports }) {
      const now = ports.clock.now();
      if (body.dryRun) return countPrunable(store, config, now);
      return accepted({ task: await startRun(store, { verb: "prune", by: `api ${caller.name}` }, now) });
    },
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/audit", id: "listAudit" },
    summary: "Who changed what, newest first",
    query: listQuery(audit),
    answer: auditPage,
    errors: ["cursor_expired"],
    run: (asked, place) => listPage(audit, asked, place),
  }),
];
