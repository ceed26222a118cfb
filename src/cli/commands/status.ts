import { readStatus } from "../../actions/status.ts";
import { tellWhen } from "../../actions/times.ts";
import { type Command, configOption, jsonOption } from "../command.ts";
import { section } from "../output/columns.ts";
import { printJson } from "../output/lists.ts";
import { renderFields } from "../output/table.ts";
import { endpointColumns } from "./endpoints.ts";

export const command: Command = {
  name: "status",
  summary: "what there is and what waits, in numbers",
  options: { ...jsonOption, ...configOption },
  async run(context, args) {
    const config = await context.loadConfig({ secrets: false });
    const status = await readStatus(await context.openStore(config), config);
    if (args.flag("json")) {
      printJson(context.stdout, status);
      return 0;
    }
    const { endpoints, quarantine, media, uploads, deletions, unsecured, deliveries, ...fields } = status;
    const inWords = (counts: object) =>
      Object.entries(counts)
        .filter(([, count]) => count > 0)
        .map(([name, count]) => `${count} ${name}`)
        .join(", ") || "none";
    context.stdout.write(
      renderFields([
        ...Object.entries(fields),
        ["media", inWords(media)],
        ["not secured", describeUnsecured(unsecured, context.ports.clock.now())],
        ["uploads", uploads === 0 ? "none waiting" : `${uploads} waiting, safe in the spool`],
        ["deletions", deletions === 0 ? "none waiting" : `${deletions} waiting`],
        ["deliveries", inWords(deliveries)],
        ["quarantine", `${quarantine.count} refused, ${quarantine.bytes} bytes`],
      ]),
    );
    section(context, endpointColumns, endpoints);
    return 0;
  },
};

function describeUnsecured(
  { count, nearestDeadline, mediumId }: Awaited<ReturnType<typeof readStatus>>["unsecured"],
  now: number,
): string {
  if (count === 0) return "none";
  return nearestDeadline === null
    ? String(count)
    : `${count}; the nearest deadline is ${tellWhen(Date.parse(nearestDeadline), now)} (${mediumId})`;
}
