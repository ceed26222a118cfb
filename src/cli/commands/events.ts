import { deliveries } from "../../actions/deliveries.ts";
import { events, replayEvent, showEvent, timelineColumns } from "../../actions/events.ts";
import { previewMessage } from "../../actions/feed/preview.ts";
import { mediumColumns } from "../../actions/media.ts";
import { RelayError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import type { Command, CommandGroup } from "../command.ts";
import { follow, followOptions } from "../follow.ts";
import { commonOptions, readLimit, showOptions } from "../options.ts";
import { print, printOne, sayMore } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";
import { openSources } from "../sources.ts";
import { manyCommand, rateOption } from "../tasks.ts";
import { listCommand } from "../verbs.ts";
import { waitOption } from "../wait.ts";

const plainList = listCommand(events, {
  name: "events list",
  summary: "what came in, newest first",
  empty: 'no event has come in yet: "wochit-relay doctor" checks the way to the relay',
  next: '"wochit-relay events show ID" shows one with its media and deliveries',
  examples: {
    "wochit-relay events list --since 2h": "what came in during the last two hours",
    "wochit-relay events list --type video.ready --context page-12": "the finished videos of one context",
    "wochit-relay events list --follow --json --cursor-file seen": "for a script: each event once",
  },
});

const list: Command = {
  ...plainList,
  options: { ...plainList.options, ...followOptions },
  async run(program, args) {
    if (args.flag("follow")) return follow(program, args);
    if (args.text("cursor-file") !== undefined) throw new RelayError("usage", "--cursor-file goes with --follow");
    return plainList.run(program, args);
  },
};

/** Why the event can be sent no more, and what brings its body back; null: it is there. */
function goneBody(store: Pick<Store, "eventBody">, id: string): Promise<string | null> {
  return store.eventBody(id).then(
    () => null,
    (error) => {
      if (error instanceof RelayError && error.code === "body_expired") return error.message;
      throw error;
    },
  );
}

const show: Command = {
  name: "events show",
  summary: "one event with its media and deliveries, or its bytes",
  examples: {
    "wochit-relay events show evt_1k800hr143c5p2qa0": "shows its media and where it was sent",
    "wochit-relay events show evt_1k800hr143c5p2qa0 --body": "writes what Wochit sent",
  },
  positionals: "ID",
  options: {
    body: { type: "boolean", help: "write the body instead, byte for byte as it was received" },
    ...showOptions,
  },
  async run(program, args) {
    const { store, openLink } = await openSources(program, { toRead: true });
    const id = args.positionals[0]!;
    if (args.flag("body")) return program.stdout.write(await store.eventBody(id));
    const { event, more } = await showEvent(store, id, await openLink(), readLimit(args));
    if (more) sayMore(program, args, "deliveries");
    printOne(program, args, event, {
      ...{ media: mediumColumns, deliveries: deliveries.columns, timeline: timelineColumns },
    });
    const gone = await goneBody(store, id);
    if (gone !== null && !args.flag("json")) program.stderr.write(`${harmless(gone)}\n`);
  },
};

const preview: Command = {
  name: "events preview",
  summary: "what an endpoint would be sent of an event now",
  help: `By its newest delivery of the event, else by a first one. The signature, and the headers of a trace, are made for each
attempt; values of headers that the config sets are not shown.`,
  examples: {
    "wochit-relay events preview evt_1k800hr143c5p2qa0 --endpoint cms": "shows headers and body",
    "wochit-relay events preview evt_1k800hr143c5p2qa0 -e cms --body | jq .relay": "reads in the body alone",
  },
  positionals: "ID",
  options: {
    endpoint: { type: "string", short: "e", value: "ID", help: "an endpoint of the config" },
    body: { type: "boolean", help: "write the body alone, byte for byte" },
    ...commonOptions,
  },
  async run(program, args) {
    const endpoint = args.text("endpoint");
    if (endpoint === undefined) throw new RelayError("usage", "--endpoint says to which endpoint");
    const sources = await openSources(program, { toRead: true });
    const { ports, version, stdout } = program;
    const asked = { eventId: args.positionals[0]!, endpoint };
    const shown = await previewMessage(sources, asked, { now: ports.clock.now(), version });
    if (args.flag("body")) return stdout.write(shown.body);
    const headers = Object.entries(shown.headers).map(([name, value]) => `${name}: ${value}`);
    const lines = [`POST ${shown.url}`, ...headers, "", shown.body];
    print(program, args, shown, `${lines.map(harmless).join("\n")}\n`);
    if (!shown.wanted) program.stderr.write(`${endpoint} does not ask for it by its events and filter\n`);
  },
};

const { type: _, ...otherFilters } = events.filters;

const replay = manyCommand({
  name: "events replay",
  summary: "delivers stored events again",
  examples: {
    "wochit-relay events replay evt_1k800hr143c5p2qa0": "sends one event again",
    "wochit-relay events replay --since 2h --endpoint cms --only-dead": "sends again what has failed for good",
    "wochit-relay events replay --since 30d --endpoint new --rate 20": "fills a new endpoint, 20 a second",
  },
  noun: "delivery",
  verb: "replay",
  filters: { ...otherFilters, endpoint: { value: "ENDPOINT", help: "only to this endpoint" } },
  options: {
    type: { type: "string", multiple: true, value: "TYPE", help: 'only events of this type ("draft.*" works too)' },
    "only-dead": { type: "boolean", help: "only where the last delivery is dead" },
    "new-id": { type: "boolean", help: "under a new webhook-id, for an app that lost what it had acknowledged" },
    ...rateOption,
    ...waitOption,
  },
  alsoOfOne: ["endpoint", "only-dead", "new-id", "wait"],
  help: `Either one event, or all that the filters match, the oldest first, to the endpoints that want them by today's config; one
event to one named endpoint is sent whatever the config says. Many are a task ("tasks list"), which the relay works and which
survives its restart.`,
  async toOne({ store, config }, id, args, now) {
    const options = { endpoint: args.text("endpoint"), onlyDead: args.flag("only-dead"), newId: args.flag("new-id") };
    const rows = await replayEvent(store, config, id, options, now);
    const sent = rows.map(({ deliveryId }) => deliveryId);
    const text = rows.map(({ endpoint, deliveryId }) => `${deliveryId} to ${endpoint}`).join(", ");
    return { rows, text: `${rows.length} queued: ${text}; "deliveries show" says how each ends`, sent };
  },
  wish(filter, args) {
    const types = args.texts("type");
    return {
      filter: { ...filter, ...(types.length > 0 && { types }) },
      onlyDead: args.flag("only-dead"),
      newId: args.flag("new-id"),
    };
  },
});

export const command: CommandGroup = {
  name: "events",
  summary: "what the provider sent",
  verbs: { list, show, preview, replay },
};
