import {
  cancelDelivery,
  deliveries,
  deliveryReasons,
  retryDelivery,
  showDelivery,
  wishOf,
} from "../../actions/deliveries.ts";
import { shortTime } from "../../actions/format.ts";
import type { AttemptJson, DeliveryJson } from "../../actions/json.ts";
import type { Column, Selection } from "../../actions/list.ts";
import { idsToAwait } from "../../actions/outcome/await-attempts.ts";
import type { Command, CommandGroup } from "../command.ts";
import { followDeliveryList } from "../follow.ts";
import { readLimit, showOptions } from "../options.ts";
import { printOne, sayMore } from "../output/print.ts";
import { openSources } from "../sources.ts";
import { manyCommand, rateOption } from "../tasks.ts";
import { listCommand } from "../verbs.ts";
import { waitOption } from "../wait.ts";

const plainList = listCommand(deliveries, {
  name: "deliveries list",
  summary: "what was, is and will be sent, newest first",
  empty: "nothing was to be sent yet: each event makes a delivery for each endpoint that wants it",
  next: '"wochit-relay deliveries show ID" shows why, with each attempt and answer',
  examples: {
    "wochit-relay deliveries list --state dead --failed-since 1d": "what has failed for good since yesterday",
    "wochit-relay deliveries list --endpoint cms": "what went to one endpoint, and what waits for it",
    "wochit-relay deliveries list --endpoint cms --follow": "how each ends from now on",
  },
});

const list: Command = {
  ...plainList,
  options: {
    ...plainList.options,
    follow: {
      type: "boolean",
      short: "f",
      help: "go on with what is made, and with how each attempt ends, until Ctrl-C; --limit says how many of before (default 10)",
    },
  },
  run: (program, args) => (args.flag("follow") ? followDeliveryList(program, args) : plainList.run(program, args)),
};

const reasons = listCommand(deliveryReasons, {
  name: "deliveries reasons",
  summary: "what failed, by endpoint and error: the dead ones, unless --state says otherwise",
  empty: "nothing that matches has failed",
  next: '"wochit-relay deliveries retry --error TEXT" attempts those of one reason again',
  examples: {
    "wochit-relay deliveries reasons --failed-since 1d": "why deliveries died since yesterday",
    "wochit-relay deliveries reasons --state pending --endpoint cms": "why those are tried again that one app lacks",
  },
});

const attemptColumns: Column<AttemptJson>[] = [
  { title: "ATTEMPTED", value: ({ startedAt }) => shortTime(startedAt), whole: true },
  { title: "MS", value: ({ startedAt, endedAt }) => Date.parse(endedAt!) - Date.parse(startedAt!), whole: true },
  { title: "STATUS", value: ({ status }) => status, whole: true },
  { title: "ERROR", value: ({ error }) => error, below: true },
  { title: "PROBE", value: ({ probe }) => (probe ? "yes" : null), whole: true },
  { title: "ANSWER", value: ({ answer }) => answer?.slice(0, 200), below: true },
];

const show: Command = {
  name: "deliveries show",
  summary: "one delivery with its attempts",
  examples: {
    "wochit-relay deliveries show dlv_1k800hr143c5p2qa1": "shows each attempt with the app's answer",
  },
  positionals: "ID",
  options: showOptions,
  async run(program, args) {
    const { store } = await openSources(program, { toRead: true });
    const { delivery, why, more } = await showDelivery(store, args.positionals[0]!, readLimit(args));
    if (more) sayMore(program, args, "attempts");
    const { gate } = delivery;
    const words = { waitsFor: why, gate: gate && `opened ${shortTime(gate.openedAt)} (${gate.by})` };
    printOne(program, args, args.flag("json") ? delivery : { ...delivery, ...words }, { attemptLog: attemptColumns });
  },
};

const taskWish = (filter: Selection<typeof deliveries.filters>) => {
  const { type: _, ...given } = { ...filter, ...wishOf(filter) };
  return { filter: given };
};

const ofDeliveries = { noun: "delivery", filters: deliveries.filters } as const;

const outcome = (done: string) => (delivery: DeliveryJson) => {
  const when = delivery.state === "running" ? " as soon as its attempt ends, unless that succeeds" : "";
  return { rows: [delivery], text: `${delivery.id} ${done}${when}` };
};

const retry = manyCommand({
  ...ofDeliveries,
  name: "deliveries retry",
  summary: "attempts a delivery at once, with a fresh budget of attempts",
  examples: {
    "wochit-relay deliveries retry dlv_1k800hr143c5p2qa1": "attempts one at once",
    "wochit-relay deliveries retry --endpoint cms --failed-since 1d --dry-run": "says how many it would be",
    "wochit-relay deliveries retry --endpoint cms --failed-since 1d --wait": "sends them, and says how each went",
  },
  help: `Either one delivery, or all that the filters match (the dead ones, unless --state says otherwise), the oldest event first.
Each is sent in its place, before later ones of its video that still wait. Many are a task ("tasks list"), which the relay works
and which survives its restart; what changes meanwhile is left out. An endpoint that is failing is asked at once when one
delivery to it is named; before many are retried, "endpoints resume" has it asked.`,
  verb: "retry",
  options: { ...rateOption, ...waitOption },
  alsoOfOne: ["wait"],
  async toOne({ store }, id, _, now) {
    const row = await retryDelivery(store, id, now);
    return { rows: [row], text: `${id} queued: "wochit-relay deliveries show ${id}" says how it ends`, sent: [id] };
  },
  awaited: idsToAwait,
  wish: taskWish,
});

const cancel = manyCommand({
  ...ofDeliveries,
  name: "deliveries cancel",
  summary: "gives a delivery up",
  examples: {
    "wochit-relay deliveries cancel dlv_1k800hr143c5p2qa1": "gives one up",
    "wochit-relay deliveries cancel --endpoint old --yes": "gives up all that waits for an endpoint that has gone",
  },
  help: `Either one delivery, or all that the filters match (all that have not ended, unless --state says otherwise), the newest
first, so that none is sent because an earlier one of its video has ended. One that is being attempted is canceled when the
attempt ends, unless that succeeds. An endpoint that has left the config keeps its deliveries until they are canceled. Many are
a task ("tasks list").`,
  verb: "cancel",
  toOne: ({ store }, id, _, now) => cancelDelivery(store, id, now).then(outcome("canceled")),
  wish: taskWish,
});

export const command: CommandGroup = {
  name: "deliveries",
  summary: "what goes to your apps",
  verbs: { list, show, reasons, retry, cancel },
};
