import {
  type EndpointJson,
  endpoints,
  pauseEndpoint,
  resumeEndpoint,
  showEndpoint,
  testDeed,
  testEndpoint,
} from "../../actions/endpoints.ts";
import { shortTime } from "../../actions/format.ts";
import type { Column } from "../../actions/list.ts";
import { explainEndpoint } from "../../actions/outcome/endpoint.ts";
import { describeHours, HOURS, MOST_HOURS } from "../../actions/outcome/hours.ts";
import { undeliveredColumns } from "../../actions/outcome/of-video.ts";
import { RelayError } from "../../errors.ts";
import { CONNECT_TIMEOUT } from "../../platform/net/outbound.ts";
import type { Args } from "../args.ts";
import type { Command, CommandGroup } from "../command.ts";
import { commonOptions, filterOptions, limitOption, readFilters, readLimit, showOptions } from "../options.ts";
import { hint, print, printList, printOne, sayMore } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";
import type { Program } from "../program.ts";
import { noteDeed, openSources } from "../sources.ts";
import { sayIfStopped, waitForProbe } from "../wait.ts";

/** Characters of an answer that are shown. */
const ANSWER = 500;

const list: Command = {
  name: "endpoints list",
  summary: "the apps of the config, whether they are paused, and what waits for them",
  examples: {
    "wochit-relay endpoints list": "shows what waits for each endpoint",
    "wochit-relay endpoints list --state paused": "shows the paused ones",
  },
  options: {
    ...filterOptions(endpoints.filters),
    limit: { ...limitOption.limit, help: "at most this many, in the order of the config (default: all)" },
    ...commonOptions,
  },
  async run(program, args) {
    const query = {
      ...readFilters(args, endpoints.filters, program),
      limit: args.count("limit", Number.POSITIVE_INFINITY),
    };
    await printList(
      program,
      args,
      endpoints.rows(await openSources(program, { toRead: true, marks: true }), query),
      endpoints.columns,
      {
        empty: "the config has no endpoint: events are kept, and sent to nobody",
        next: '"wochit-relay endpoints show ID" shows what holds one up, and what it lacks',
      },
    );
  },
};

const secretColumns: Column<EndpointJson["secrets"][number]>[] = [
  { title: "SIGNS WITH", value: ({ place }) => place },
  { title: "SHA-256", value: ({ mark }) => mark ?? "cannot be read here", whole: true },
];

const show: Command = {
  name: "endpoints show",
  summary: "one app: what holds its deliveries, its options, its secrets",
  examples: {
    "wochit-relay endpoints show cms": "says why nothing is sent, and what the app answered last",
  },
  help: `Its state, its options as they hold, what it lacks with the reason, and the
secrets that sign: where each is, and the first 8 digits of the SHA-256 of its
text, never a value. The app's side compares by
  printf %s "$SECRET" | sha256sum | cut -c1-8`,
  positionals: "ENDPOINT",
  options: {
    ...{ ...showOptions, limit: { ...showOptions.limit, help: "of what it lacks at most this many (default 50)" } },
    hours: {
      type: "string",
      value: "N",
      help: `say what came of the last N hours (default ${HOURS}); --json has each`,
    },
  },
  async run(program, args) {
    const target = { ...(await openSources(program, { toRead: true, marks: true })), id: args.positionals[0]! };
    const hours = args.count("hours", HOURS);
    if (hours > MOST_HOURS) throw new RelayError("usage", `--hours is at most ${MOST_HOURS}, not ${hours}`);
    const asked = { limit: readLimit(args), hours, now: program.ports.clock.now() };
    const { endpoint, more } = await explainEndpoint(target, asked);
    if (more) sayMore(program, args, "deliveries");
    const tables = { secrets: secretColumns, undelivered: undeliveredColumns };
    if (args.flag("json")) return printOne(program, args, endpoint, tables);
    const { why, settings, hours: ofHours, events, filter, headers, ...rest } = endpoint;
    const isFiltered = Object.values(filter ?? {}).some((values) => values !== null);
    const words = { events: events.join(" "), filter: isFiltered ? JSON.stringify(filter) : null, ...settings };
    const names = Object.keys(headers).join(" ") || null;
    const { id, ...fields } = { ...rest, ...words, headers: names };
    printOne(program, args, { id, why, [`last ${hours} h`]: describeHours(ofHours), ...fields }, tables);
  },
};

const pause: Command = {
  name: "endpoints pause",
  summary: "sends nothing to an endpoint until it is resumed; its deliveries wait meanwhile",
  examples: {
    'wochit-relay endpoints pause cms --reason "migration until 4"': "holds what is for it",
  },
  positionals: "ENDPOINT",
  options: {
    reason: {
      type: "string",
      value: "TEXT",
      help: "why, shown by list and status; of one that is paused already it replaces the former one",
    },
    ...commonOptions,
  },
  async run(program, args) {
    const target = { ...(await openSources(program)), id: args.positionals[0]! };
    const why = { reason: args.text("reason") ?? null, by: "paused by the operator" };
    const paused = await pauseEndpoint(target, why, program.ports.clock.now());
    report(program, args, paused);
    if (paused.running > 0) hint(program, `attempts that are under way end first: ${paused.running}`);
  },
};

const resume: Command = {
  name: "endpoints resume",
  summary: "sends to a paused endpoint again; one that is failing is asked at once",
  examples: {
    "wochit-relay endpoints resume cms": "sends what has waited, in order",
  },
  positionals: "ENDPOINT",
  options: commonOptions,
  async run(program, args) {
    const target = { ...(await openSources(program)), id: args.positionals[0]! };
    const resumed = await resumeEndpoint(target);
    if (resumed.state !== "failing" || !(await sayIfStopped(program, target))) {
      return report(program, args, resumed);
    }
    const answered = await waitForProbe(program, resumed, () => showEndpoint(target));
    if (args.flag("json")) return print(program, args, answered ?? resumed, "");
    const { id, state, reason, nextProbeAt } = answered ?? resumed;
    const next = `the next probe is at ${shortTime(nextProbeAt)}`;
    const said =
      answered === null
        ? `is asked now, and has not answered yet: "wochit-relay endpoints show ${id}" says what it answers`
        : state === "failing"
          ? `was asked now, and is failing still: ${harmless(reason ?? "")}; ${next}`
          : `was asked now, and answers again: it is ${state}`;
    print(program, args, null, `${id} ${said}\n`);
  },
};

const test: Command = {
  name: "endpoints test",
  summary: "sends a signed message of type relay.test to an endpoint, and shows the answer",
  examples: {
    "wochit-relay endpoints test cms": "shows whether the app takes a signed message",
  },
  help: `It is sent also while the endpoint is paused or failing, and changes nothing else: the message stands for no event. Exit
code 1 where it is not answered with 2xx.`,
  positionals: "ENDPOINT",
  options: commonOptions,
  async run(program, args) {
    const config = await program.loadConfig();
    const id = args.positionals[0]!;
    const { tryEndpoint } = await import("../../forward/try-endpoint.ts");
    const ways = { userAgent: `wochit-relay/${program.version}`, connectTimeout: CONNECT_TIMEOUT };
    const attempt = await testEndpoint(config, id, (endpoint) => tryEndpoint(endpoint, program.ports, ways));
    await noteDeed(program, () => program.openStore(config), testDeed(id, attempt));
    const { status, error, answer } = attempt;
    const said = error === null ? `answered ${status}` : `failed: ${error}`;
    const duration = Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt);
    const below = answer ? `\n${harmless(answer.slice(0, ANSWER))}` : "";
    print(program, args, attempt, `${id} ${said} after ${duration} ms${below}\n`);
    return error === null ? 0 : 1;
  },
};

function report(program: Program, args: Args, endpoint: EndpointJson): void {
  const { id, state, reason, pausedAt } = endpoint;
  const since = pausedAt === null ? "" : ` since ${shortTime(pausedAt)}`;
  print(program, args, endpoint, `${id} is ${state}${since}${reason ? `: ${harmless(reason)}` : ""}\n`);
}

export const command: CommandGroup = {
  name: "endpoints",
  summary: "the apps that get the events",
  verbs: { list, show, pause, resume, test },
};
