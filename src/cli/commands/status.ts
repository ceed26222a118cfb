import { endpoints } from "../../actions/endpoints.ts";
import { formatSize, relativeTime } from "../../actions/format.ts";
import { describeBacklog } from "../../actions/outcome/backlog.ts";
import { readStatus } from "../../actions/status.ts";
import type { Command } from "../command.ts";
import { commonOptions } from "../options.ts";
import { print, section, styleOf } from "../output/print.ts";
import { renderFields } from "../output/table.ts";
import { openSources } from "../sources.ts";

type Status = Awaited<ReturnType<typeof readStatus>>;

export const command: Command = {
  name: "status",
  summary: "what there is and what waits, in numbers",
  examples: {
    "wochit-relay status": "shows it on one screen",
    "wochit-relay status --json": "gives it to a program",
  },
  options: commonOptions,
  async run(program, args) {
    const { store, config } = await openSources(program, { toRead: true });
    const status = await readStatus(store, config, program.ports.clock.now());
    const text = renderFields(describe(status, program.ports.clock.now()), styleOf(program));
    print(program, args, status, text + section(program, endpoints.columns, status.endpoints));
  },
};

function describe(status: Status, now: number): [string, unknown][] {
  const { endpoints, quarantine, media, uploads, deletions, unsecured, deliveries, backlog, database, ...fields } =
    status;
  const inWords = (counts: object) =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ") || "none";
  return [
    ...Object.entries(fields),
    ["media", inWords(media)],
    ["not secured", describeUnsecured(unsecured, now)],
    ["uploads", uploads === 0 ? "none waiting" : `${uploads} waiting, safe in the spool`],
    ["deletions", deletions === 0 ? "none waiting" : `${deletions} waiting`],
    ["deliveries", inWords(deliveries)],
    ...backlog.map((one): [string, unknown] => [`  ${one.endpoint}`, describeBacklog(one)]),
    ["database", `${formatSize(database.bytes)}, ${formatSize(database.free)} of it free`],
    ["quarantine", `${quarantine.count} refused, ${quarantine.bytes} bytes`],
  ];
}

function describeUnsecured({ count, nearestDeadline, mediumId }: Status["unsecured"], now: number): string {
  if (count === 0) return "none";
  if (nearestDeadline === null) return String(count);
  return `${count}; the nearest deadline is ${relativeTime(Date.parse(nearestDeadline), now)} (${mediumId})`;
}
