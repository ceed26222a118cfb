import { type EndpointJson, listEndpoints, pauseEndpoint, resumeEndpoint } from "../../actions/endpoints.ts";
import { type Args, type Command, type CommandGroup, type Context, configOption, jsonOption } from "../command.ts";
import { shortTime } from "../output/columns.ts";
import { limitOption, printJson, printList } from "../output/lists.ts";
import type { Column } from "../output/table.ts";
import { harmless } from "../output/terminal-text.ts";

export const endpointColumns: Column<EndpointJson>[] = [
  { title: "ID", value: ({ id }) => id, whole: true },
  { title: "STATE", value: ({ state }) => state, whole: true },
  { title: "WAITING", value: ({ waiting }) => waiting, whole: true },
  { title: "PENDING", value: ({ pending, running }) => pending + running, whole: true },
  { title: "DEAD", value: ({ dead }) => dead, whole: true },
  { title: "OLDEST", value: ({ oldest }) => shortTime(oldest), whole: true },
  { title: "EVENTS", value: ({ events }) => events.join(" ") },
  { title: "URL", value: ({ url }) => url },
  { title: "REASON", value: ({ reason }) => reason },
];

const STATES = ["active", "paused", "removed"] as const;

const list: Command = {
  name: "endpoints list",
  summary: "the apps of the config, whether they are paused, and what waits for them",
  options: {
    state: { type: "string", short: "s", value: "STATE", help: `only in this state: ${STATES.join(", ")}` },
    limit: { ...limitOption, help: "at most this many, in the order of the config (default: all)" },
    ...jsonOption,
    ...configOption,
  },
  async run(context, args) {
    const state = args.word("state", STATES);
    const limit = args.count("limit", Number.POSITIVE_INFINITY);
    const config = await context.loadConfig({ secrets: false });
    const endpoints = await listEndpoints(await context.openStore(config), config);
    const meant = endpoints.filter((endpoint) => state === undefined || endpoint.state === state);
    await printList(context, args, meant.slice(0, limit), endpointColumns);
    return 0;
  },
};

const pause: Command = {
  name: "endpoints pause",
  summary: "sends nothing to an endpoint until it is resumed; what comes meanwhile waits",
  positionals: "ID",
  options: {
    reason: { type: "string", value: "TEXT", help: "why, for those who look at it later" },
    ...jsonOption,
    ...configOption,
  },
  async run(context, args) {
    const target = await openEndpoint(context, args);
    const reason = args.text("reason") ?? "paused by the operator";
    return print(context, args, await pauseEndpoint(target, reason, context.ports.clock.now()));
  },
};

const resume: Command = {
  name: "endpoints resume",
  summary: "sends to a paused endpoint again",
  positionals: "ID",
  options: { ...jsonOption, ...configOption },
  async run(context, args) {
    const target = await openEndpoint(context, args);
    return print(context, args, await resumeEndpoint(target));
  },
};

async function openEndpoint(context: Context, args: Args) {
  const config = await context.loadConfig({ secrets: false });
  return { store: await context.openStore(config), config, id: args.positionals[0]! };
}

function print({ stdout }: Context, args: Args, endpoint: EndpointJson): number {
  if (args.flag("json")) printJson(stdout, endpoint);
  else stdout.write(`${endpoint.id} is ${endpoint.state}${endpoint.reason ? `: ${harmless(endpoint.reason)}` : ""}\n`);
  return 0;
}

export const command: CommandGroup = {
  name: "endpoints",
  summary: "the apps that get the events",
  verbs: { list, pause, resume },
};
