import {
  cancelDeliveries,
  cancelDelivery,
  listDeliveries,
  retryDeliveries,
  retryDelivery,
  showDelivery,
} from "../../actions/deliveries.ts";
import { RelayError } from "../../errors.ts";
import { type Args, type Command, type CommandGroup, type Context, configOption, jsonOption } from "../command.ts";
import { attemptColumns, deliveryColumns, section } from "../output/columns.ts";
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

const STATES = ["waiting", "pending", "running", "delivered", "dead", "canceled"] as const;

const filterOptions = {
  endpoint: { type: "string", short: "e", value: "ID", help: "only to this endpoint" },
  state: { type: "string", short: "s", value: "STATE", help: `only in this state: ${STATES.join(", ")}` },
  event: { type: "string", value: "ID", help: "only of this event" },
  "video-id": { type: "string", value: "ID", help: "only of this video" },
} as const;

function readFilter(args: Args) {
  return {
    endpoint: args.text("endpoint"),
    state: args.word("state", STATES),
    eventId: args.text("event"),
    videoId: args.text("video-id"),
  };
}

const list: Command = {
  name: "deliveries list",
  summary: "what was, is and will be sent, newest first",
  options: { ...filterOptions, ...listOptions },
  async run(context, args) {
    const wish = { ...readPage(args, context.ports), ...readFilter(args) };
    const store = await context.openStore(await context.loadConfig({ secrets: false }));
    await printList(context, args, listDeliveries(store, wish), deliveryColumns);
    return 0;
  },
};

const show: Command = {
  name: "deliveries show",
  summary: "one delivery with its attempts",
  positionals: "ID",
  options: { ...shownOption, ...jsonOption, ...configOption },
  async run(context, args) {
    const store = await context.openStore(await context.loadConfig({ secrets: false }));
    const { delivery, more } = await showDelivery(store, args.positionals[0]!, readLimit(args));
    if (more) sayMore(context, args, "attempts");
    if (args.flag("json")) {
      printJson(context.stdout, delivery);
      return 0;
    }
    const { attemptLog, ...fields } = delivery;
    context.stdout.write(renderFields(Object.entries(fields)));
    section(context, attemptColumns, attemptLog);
    return 0;
  },
};

const retry: Command = {
  name: "deliveries retry",
  summary: "attempts a delivery at once, with all of its attempts before it",
  positionals: "[ID]",
  options: { ...filterOptions, ...rangeOptions, ...jsonOption, ...configOption },
  help: `Either one delivery, or all of an endpoint, an event or a video (the dead ones, unless --state says otherwise). It is
sent in its place, before later ones of its video that still wait:
  wochit-relay deliveries retry --endpoint cms --state dead`,
  run: (context, args) => doIt(context, args, { one: retryDelivery, many: retryDeliveries, done: "retried" }),
};

const cancel: Command = {
  name: "deliveries cancel",
  summary: "gives a delivery up",
  positionals: "[ID]",
  options: { ...filterOptions, ...rangeOptions, ...jsonOption, ...configOption },
  help: `Either one delivery, or all of an endpoint, an event or a video (all that have not ended, unless --state says
otherwise). One that is being attempted is canceled when the attempt ends, unless that succeeds. An endpoint that has left the
config keeps its deliveries until they are canceled.`,
  run: (context, args) => doIt(context, args, { one: cancelDelivery, many: cancelDeliveries, done: "canceled" }),
};

const WHEN_ENDED = " as soon as its attempt ends, unless that succeeds";

type Deed = { one: typeof retryDelivery; many: typeof retryDeliveries; done: string };

async function doIt(context: Context, args: Args, { one, many, done }: Deed): Promise<number> {
  const [id] = args.positionals;
  const filter = { ...readFilter(args), ...readRange(args, context.ports) };
  if (id !== undefined && Object.values(filter).some((value) => value !== undefined)) {
    throw new RelayError("usage", "name a delivery, or what all of them have in common, not both");
  }
  const { clock } = context.ports;
  const store = await context.openStore(await context.loadConfig({ secrets: false }));
  if (id === undefined) {
    return printMany(context, args, many(store, filter, clock.now), {
      done,
      describe: (row) => row.id,
      error: ({ error }) => error,
    });
  }
  const delivery = await one(store, id, clock.now());
  if (args.flag("json")) printJson(context.stdout, delivery);
  else context.stdout.write(`${id} ${done}${delivery.state === "running" ? WHEN_ENDED : ""}\n`);
  return 0;
}

export const command: CommandGroup = {
  name: "deliveries",
  summary: "what goes to your apps",
  verbs: { list, show, retry, cancel },
};
