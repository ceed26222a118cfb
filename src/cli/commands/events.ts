import { deliveries } from "../../actions/deliveries.ts";
import { events, replayEvents, showEvent } from "../../actions/events.ts";
import { mediumColumns } from "../../actions/media.ts";
import { RelayError } from "../../errors.ts";
import type { Command, CommandGroup } from "../command.ts";
import { commonOptions, rangeOptions, readLimit, readRange, showOptions } from "../options.ts";
import { printMany, printOne, sayMore } from "../output/print.ts";
import { openSources } from "../sources.ts";
import { listCommand } from "../verbs.ts";

const list = listCommand(events, { name: "events list", summary: "what came in, newest first" });

const show: Command = {
  name: "events show",
  summary: "one event with its media and deliveries, or its bytes",
  positionals: "ID",
  options: {
    body: { type: "boolean", help: "write the body instead, byte for byte as it was received" },
    ...showOptions,
  },
  async run(program, args) {
    const { store, openLink } = await openSources(program);
    const id = args.positionals[0]!;
    if (args.flag("body")) return program.stdout.write(await store.eventBody(id));
    const { event, more } = await showEvent(store, id, await openLink(), readLimit(args));
    if (more) sayMore(program, args, "deliveries");
    printOne(program, args, event, { media: mediumColumns, deliveries: deliveries.columns });
  },
};

const replay: Command = {
  name: "events replay",
  summary: "delivers stored events again",
  positionals: "[ID]",
  options: {
    endpoint: { type: "string", short: "e", value: "ID", help: "only to this endpoint" },
    type: { type: "string", multiple: true, value: "TYPE", help: 'only events of this type ("draft.*" works too)' },
    "only-dead": { type: "boolean", help: "only where the last delivery is dead" },
    "new-id": { type: "boolean", help: "under a new webhook-id, for an app that lost what it had acknowledged" },
    ...rangeOptions,
    ...commonOptions,
  },
  help: `Either one event, or every event since a time:
  wochit-relay events replay evt_1k800hr143c5p2qa0
  wochit-relay events replay --since 2h --endpoint cms --only-dead`,
  async run(program, args) {
    const [id] = args.positionals;
    const range = readRange(args, program.ports);
    const types = args.texts("type");
    if (id !== undefined && (range.since !== undefined || range.until !== undefined || types.length > 0)) {
      throw new RelayError("usage", "name an event, or a range of events, not both");
    }
    const options = {
      ...{ id, ...range, types, endpoint: args.text("endpoint") },
      ...{ onlyDead: args.flag("only-dead"), newId: args.flag("new-id") },
    };
    const { store, config } = await openSources(program);
    return printMany(program, args, replayEvents(store, config, options, program.ports.clock.now), {
      done: "replayed",
      describe: ({ eventId, endpoint }) => `${eventId} to ${endpoint}`,
    });
  },
};

export const command: CommandGroup = {
  name: "events",
  summary: "what the provider sent",
  verbs: { list, show, replay },
};
