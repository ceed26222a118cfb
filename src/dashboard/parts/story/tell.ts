import { attemptJson, deliveryJson, isoTime, mediumJson } from "../../../actions/json.ts";
import { newestByEndpoint, type Story } from "../../../actions/outcome/story.ts";
import { timeline } from "../../../actions/outcome/timeline.ts";

/** The links of copies. */
type LinkOf = Parameters<typeof mediumJson>[1];

/** A story as pages tell it: what the API gives, and beside it what a page says of a medium or a delivery. Times are ISO 8601. */
export type Told = ReturnType<typeof tell>;
export type ToldDelivery = Told["deliveries"][number];
export type ToldMedium = Told["media"][number];

export function tell(story: Story, link: LinkOf) {
  const { event, title, media, deliveries } = story;
  const told = deliveries.map(({ gate, attemptLog, ...rest }) => ({
    ...deliveryJson({ ...rest, gate }),
    gate: gate && { openedAt: isoTime(gate.openedAt), by: gate.by },
    attemptLog: attemptLog.map(attemptJson),
  }));
  return {
    event,
    title,
    media: media.map(({ firstTriedAt, securedAt, settledAt, ...rest }) => ({
      ...mediumJson({ ...rest, firstTriedAt, securedAt, settledAt }, link),
      firstTriedAt,
      securedAt,
      settledAt,
    })),
    deliveries: told,
    /** Of each endpoint the newest, which its state comes of. */
    newest: newestByEndpoint(told),
    moments: timeline(event, media, deliveries),
  };
}
