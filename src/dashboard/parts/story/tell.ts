import { attemptJson, deliveryJson, isoTime, mediumJson } from "../../../actions/json.ts";
import { newestByEndpoint, type Story } from "../../../actions/outcome/story.ts";
import { timeline } from "../../../actions/outcome/timeline.ts";
import type { Delivery } from "../../../model/delivery.ts";

/** The links of copies. */
type LinkOf = Parameters<typeof mediumJson>[1];

/** A story as pages tell it: what the API gives, and beside it what a page says of a medium or a delivery. Times are ISO 8601. */
export type Told = ReturnType<typeof tell>;
export type ToldDelivery = Told["deliveries"][number];
export type ToldMedium = Told["media"][number];

/** `ahead`: the deliveries that go first, by id. */
export function tell(story: Story, link: LinkOf, ahead: Map<string, Delivery>) {
  const { event, title, media, deliveries } = story;
  const told = deliveries.map(({ gate, attemptLog, ...rest }) => ({
    ...deliveryJson({ ...rest, gate }),
    gate: gate && { openedAt: isoTime(gate.openedAt), by: gate.by },
    attemptLog: attemptLog.map(attemptJson),
    ahead: aheadOf(rest, ahead),
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

function aheadOf({ waitsFor }: Pick<Delivery, "waitsFor">, ahead: Map<string, Delivery>) {
  const first = waitsFor?.is === "lane" ? ahead.get(waitsFor.of!) : undefined;
  return first === undefined ? null : deliveryJson(first);
}
