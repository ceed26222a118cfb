import * as v from "valibot";
import { listAlarms } from "../../actions/alarms/list.ts";
import { chosenReceivers, triedDeed } from "../../actions/alarms/receivers.ts";
import { endSilence, LONGEST_SILENCE, silenceAlarm } from "../../actions/alarms/silence.ts";
import { parseDuration } from "../../config/units.ts";
import { alarmList, silenced, triedReceivers, unsilenced } from "../answers/alarms.ts";
import { misfit } from "../check.ts";
import { type Operation, operation, processOf } from "../operation.ts";

const TAG = { tag: "alerts" } as const;

const words = v.pipe(v.string(), v.minLength(1), v.maxLength(1_000));

export const alertOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/alerts", id: "listAlerts" },
    summary: "Every alarm and how it is, and the receivers: what was sent, what waits, which is down",
    answer: alarmList,
    errors: [],
    run: (_, place) => listAlarms(place.store, place.config, { clock: place.ports.clock, relay: processOf(place) }),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/alerts/test", id: "testAlerts" },
    summary:
      "Sends each receiver a message that stands for no alarm, and a heartbeat, or one of these, and answers what came of it",
    body: v.strictObject({
      receiver: v.optional(v.pipe(words, v.description('Its name, id or place, or "heartbeat"'))),
    }),
    answer: triedReceivers,
    errors: ["not_found"],
    async run({ body, note }, { config, tryReceivers }) {
      const only = body.receiver ?? null;
      const data = await tryReceivers(chosenReceivers(config, only));
      await note(triedDeed(only, data));
      return { data };
    },
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/alerts/{name}/silence", id: "silenceAlarm" },
    summary: "Says nothing of an alarm for a while, at most 30 days; it is shown all the same",
    body: v.strictObject({
      for: v.pipe(v.string(), v.maxLength(20), v.description('A duration, like "2h"')),
      reason: v.optional(words),
    }),
    answer: silenced,
    errors: ["not_found"],
    async run({ path, body }, { store, ports }) {
      const ms = parseDuration(body.for) ?? 0;
      if (ms <= 0 || ms > LONGEST_SILENCE) throw misfit("invalid_query", "for", 'must be like "2h", and at most "30d"');
      return silenceAlarm(store, { name: path.name!, ms, reason: body.reason ?? null }, ports.clock.now());
    },
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/alerts/{name}/unsilence", id: "endSilence" },
    summary: "Ends the silence of an alarm",
    answer: unsilenced,
    errors: ["not_found", "conflict"],
    run: ({ path }, { store, ports }) => endSilence(store, path.name!, ports.clock.now()),
  }),
];
