import { listEvents, replayEvents, showEvent } from "../../actions/events.ts";
import { RelayError } from "../../errors.ts";
import { type Command, type CommandGroup, configOption, jsonOption } from "../command.ts";
import { deliveryColumns, mediumColumns, openLink, section, shortTime } from "../output/columns.ts";
import {
  listOptions,
  printJson,
  printList,
  printMany,
  rangeOptions,
  readLimit,
  readPage,
  readRange,
  sayMore,
  shownOption,
} from "../output/lists.ts";
import { renderFields } from "../output/table.ts";

const list: Command = {
  name: "events list",
  summary: "what came in, newest first",
  options: {
    type: { type: "string", value: "TYPE", help: "only of this type, like video.ready" },
    "video-id": { type: "string", value: "ID", help: "only of this video" },
    context: { type: "string", value: "TEXT", help: "only of this videoContext" },
    "context-missing": {
      type: "boolean",
      help: "only what an app has got without the videoContext that is known of it now",
    },
    ...listOptions,
  },
  async run(context, args) {
    const wish = {
      ...readPage(args, context.ports),
      type: args.text("type"),
      videoId: args.text("video-id"),
      context: args.text("context"),
      contextMissing: args.flag("context-missing"),
    };
    const store = await context.openStore(await context.loadConfig({ secrets: false }));
    await printList(context, args, listEvents(store, wish), [
      { title: "ID", value: ({ id }) => id, whole: true },
      { title: "RECEIVED", value: ({ receivedAt }) => shortTime(receivedAt), whole: true },
      { title: "TYPE", value: ({ type }) => type },
      { title: "VIDEO", value: ({ videoId }) => videoId, least: 24 },
      { title: "SEQ", value: ({ sequence }) => sequence, whole: true },
      { title: "CONTEXT", value: (event) => event.context },
      { title: "DUP", value: ({ duplicates }) => duplicates, whole: true },
      { title: "STATUS", value: ({ status }) => status, whole: true },
    ]);
    return 0;
  },
};

const show: Command = {
  name: "events show",
  summary: "one event with its media and deliveries, or its bytes",
  positionals: "ID",
  options: {
    body: { type: "boolean", help: "write the body instead, byte for byte as it was received" },
    ...shownOption,
    ...jsonOption,
    ...configOption,
  },
  async run(context, args) {
    const config = await context.loadConfig({ secrets: false });
    const store = await context.openStore(config);
    const id = args.positionals[0]!;
    if (args.flag("body")) {
      context.stdout.write(await store.eventBody(id));
      return 0;
    }
    const { event, more } = await showEvent(store, id, await openLink(store, config, context), readLimit(args));
    if (more) sayMore(context, args, "deliveries");
    if (args.flag("json")) {
      printJson(context.stdout, event);
      return 0;
    }
    const { media, deliveries, ...fields } = event;
    context.stdout.write(renderFields(Object.entries(fields)));
    section(context, mediumColumns(context.ports.clock.now()), media);
    section(context, deliveryColumns, deliveries);
    return 0;
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
    ...jsonOption,
    ...configOption,
  },
  help: `Either one event, or every event since a time:
  wochit-relay events replay evt_1k800hr143c5p2qa0
  wochit-relay events replay --since 2h --endpoint cms --only-dead`,
  async run(context, args) {
    const config = await context.loadConfig({ secrets: false });
    const { clock } = context.ports;
    const [id] = args.positionals;
    const range = readRange(args, context.ports);
    const types = args.texts("type");
    if (id !== undefined && (range.since !== undefined || range.until !== undefined || types.length > 0)) {
      throw new RelayError("usage", "name an event, or a range of events, not both");
    }
    const wish = {
      id,
      ...range,
      types,
      endpoint: args.text("endpoint"),
      onlyDead: args.flag("only-dead"),
      newId: args.flag("new-id"),
    };
    const store = await context.openStore(config);
    return printMany(context, args, replayEvents(store, config, wish, clock.now), {
      done: "replayed",
      describe: ({ eventId, endpoint }) => `${eventId} to ${endpoint}`,
      error: ({ error }) => error,
    });
  },
};

export const command: CommandGroup = {
  name: "events",
  summary: "what the provider sent",
  verbs: { list, show, replay },
};
