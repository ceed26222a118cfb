import * as v from "valibot";
import type { SilenceJson } from "../../actions/alarms/json.ts";
import { ALARMS, type Alarm } from "../../actions/alarms/judge.ts";
import type { AlarmsJson } from "../../actions/alarms/list.ts";
import type { TriedReceiver } from "../../model/alert.ts";
import { count, named, orNull, shapeOf, text, time } from "./shape.ts";

const severity = v.picklist(["page", "ticket"]);
const what = {
  name: v.picklist(ALARMS),
  severity,
  subject: v.pipe(orNull(text), v.description("Which of those of its name: an endpoint, or a cause")),
};

const silenceOf = v.object({ since: time, until: time, reason: orNull(text) });
const silence = v.pipe(
  orNull(shapeOf<SilenceJson>()("Silence", silenceOf)),
  v.description("Nothing is said of it meanwhile"),
);

/** What needs a person. */
export const alarms = v.array(
  shapeOf<Alarm & { silence: SilenceJson | null }>()(
    "Alarm",
    v.object({
      ...what,
      ...{ what: text, means: text },
      commands: v.pipe(v.array(text), v.description("What helps, in a shell")),
      page: v.pipe(text, v.description("Of the dashboard")),
      silence,
    }),
  ),
);

/** Where alerts go, and which of these take none. */
export const receivers = v.array(
  shapeOf<AlarmsJson["receivers"][number]>()(
    "Receiver",
    v.object({
      id: text,
      name: v.pipe(orNull(text), v.description("By the config")),
      place: v.pipe(text, v.description("Its host, or its mail address")),
      atLeast: severity,
      waiting: v.pipe(count, v.description("Alerts that it is still to be sent")),
      error: orNull(text),
      sentAt: orNull(time),
      failingSince: orNull(time),
    }),
  ),
);

export const alarmList = shapeOf<AlarmsJson>()(
  "Alarms",
  v.object({
    alarms: v.array(
      v.object({
        ...what,
        state: v.picklist(["quiet", "holding", "on", "flapping"]),
        since: orNull(time),
        what: orNull(text),
        toldAt: v.pipe(orNull(time), v.description("When a receiver was last to be sent something of it")),
        silence,
      }),
    ),
    receivers,
  }),
);

export const silenced = named("Silenced", v.object({ name: v.picklist(ALARMS), ...silenceOf.entries }));
export const unsilenced = named("Unsilenced", v.object({ name: v.picklist(ALARMS) }));

export const triedReceivers = named(
  "TriedReceivers",
  v.object({
    data: v.array(
      shapeOf<TriedReceiver>()(
        "TriedReceiver",
        v.object({
          receiver: v.pipe(text, v.description('Its id; "heartbeat": a GET to the heartbeat\'s address')),
          ...{ name: orNull(text), place: text },
          error: v.pipe(orNull(text), v.description("Why it was not taken; null: it was")),
          ms: count,
        }),
      ),
    ),
  }),
);
