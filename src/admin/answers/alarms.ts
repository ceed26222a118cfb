import * as v from "valibot";
import { ALARMS, type Alarm } from "../../actions/alarms/judge.ts";
import { count, orNull, shapeOf, text, time } from "./shape.ts";

/** What needs a person. */
export const alarms = v.array(
  shapeOf<Alarm>()(
    "Alarm",
    v.object({
      name: v.picklist(ALARMS),
      severity: v.picklist(["page", "ticket"]),
      subject: v.pipe(orNull(text), v.description("The endpoint that it is of")),
      ...{ what: text, means: text },
      commands: v.pipe(v.array(text), v.description("What helps, in a shell")),
      page: v.pipe(text, v.description("Of the dashboard")),
    }),
  ),
);

/** Where alerts go, and which of these take none. */
export const receivers = v.array(
  v.object({ id: text, waiting: count, error: orNull(text), sentAt: orNull(time), failingSince: orNull(time) }),
);
