import {
  cancelDeliveries,
  cancelDelivery,
  deliveries,
  retryDeliveries,
  retryDelivery,
  showDelivery,
} from "../../actions/deliveries.ts";
import { shortTime } from "../../actions/format.ts";
import type { AttemptJson, DeliveryJson } from "../../actions/json.ts";
import type { Column } from "../../actions/list.ts";
import type { Command, CommandGroup } from "../command.ts";
import { readLimit, showOptions } from "../options.ts";
import { printOne, sayMore } from "../output/print.ts";
import { openSources } from "../sources.ts";
import { listCommand, verbCommand } from "../verbs.ts";

const list = listCommand(deliveries, {
  name: "deliveries list",
  summary: "what was, is and will be sent, newest first",
});

const attemptColumns: Column<AttemptJson>[] = [
  { title: "ATTEMPTED", value: ({ startedAt }) => shortTime(startedAt), whole: true },
  { title: "MS", value: ({ startedAt, endedAt }) => Date.parse(endedAt!) - Date.parse(startedAt!), whole: true },
  { title: "STATUS", value: ({ status }) => status, whole: true },
  { title: "ERROR", value: ({ error }) => error },
  { title: "PROBE", value: ({ probe }) => (probe ? "yes" : null), whole: true },
  { title: "ANSWER", value: ({ answer }) => answer?.slice(0, 200) },
];

const show: Command = {
  name: "deliveries show",
  summary: "one delivery with its attempts",
  positionals: "ID",
  options: showOptions,
  async run(program, args) {
    const { store } = await openSources(program);
    const { delivery, why, more } = await showDelivery(store, args.positionals[0]!, readLimit(args));
    if (more) sayMore(program, args, "attempts");
    const { gate } = delivery;
    const words = { waitsFor: why, gate: gate && `opened ${shortTime(gate.openedAt)} (${gate.by})` };
    printOne(program, args, args.flag("json") ? delivery : { ...delivery, ...words }, { attemptLog: attemptColumns });
  },
};

const ofDeliveries = { noun: "a delivery", filters: deliveries.filters };

const outcome = (done: string) => (delivery: DeliveryJson) => {
  const when = delivery.state === "running" ? " as soon as its attempt ends, unless that succeeds" : "";
  return { value: delivery, text: `${delivery.id} ${done}${when}` };
};

const retry = verbCommand({
  name: "deliveries retry",
  summary: "attempts a delivery at once, with a fresh budget of attempts",
  help: `Either one delivery, or all of an endpoint, an event or a video (the dead ones, unless --state says otherwise). It is
sent in its place, before later ones of its video that still wait:
  wochit-relay deliveries retry --endpoint cms --state dead`,
  ...ofDeliveries,
  done: "retried",
  one: ({ store }, id, now) => retryDelivery(store, id, now).then(outcome("retried")),
  many: ({ store }, filter, now) => retryDeliveries(store, filter, now),
  describe: ({ id }) => id,
});

const cancel = verbCommand({
  name: "deliveries cancel",
  summary: "gives a delivery up",
  help: `Either one delivery, or all of an endpoint, an event or a video (all that have not ended, unless --state says
otherwise). One that is being attempted is canceled when the attempt ends, unless that succeeds; one that ends before its turn
is skipped and counted. An endpoint that has left the config keeps its deliveries until they are canceled.`,
  ...ofDeliveries,
  done: "canceled",
  skipped: "had ended meanwhile",
  one: ({ store }, id, now) => cancelDelivery(store, id, now).then(outcome("canceled")),
  many: ({ store }, filter, now) => cancelDeliveries(store, filter, now),
  describe: ({ id }) => id,
});

export const command: CommandGroup = {
  name: "deliveries",
  summary: "what goes to your apps",
  verbs: { list, show, retry, cancel },
};
