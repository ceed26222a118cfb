import * as v from "valibot";
import { orNull, text, time } from "./shape.ts";

/** The relay that answers. */
export const relayState = v.object({
  running: v.boolean(),
  version: orNull(text),
  startedAt: orNull(time),
  troubles: v.pipe(v.array(text), v.description("What is wrong, in a few words each")),
});

export const relays = v.pipe(
  v.array(
    v.object({
      ...{ id: text, host: text, version: text, startedAt: time, lastSeenAt: time },
      live: v.pipe(v.boolean(), v.description("It was seen within two minutes")),
      configDiffers: v.pipe(v.boolean(), v.description("From that of most that live")),
    }),
  ),
  v.description("Those of the store that were seen within a day; none where it is SQLite"),
);
