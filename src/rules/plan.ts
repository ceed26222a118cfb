import type { ProviderEvent } from "../model/event.ts";
import type { PlannedMedium } from "../model/medium.ts";
import type { Plan } from "../model/plan.ts";
import { hostOf } from "../wochit/address.ts";
import { deadlineOf } from "../wochit/link-expiry.ts";
import { type Reader, wants } from "./topics.ts";

/** The options of an endpoint that a plan depends on; `maxWait` in milliseconds. */
export type EndpointChoice = Reader & { send: "after-mirror" | "immediately"; maxWait: number };

/** The options of the mirror that a plan depends on; `deleteAfter` and `linkLifetime` in milliseconds. */
export type MirrorChoice = { enabled: boolean; onDelete: "keep" | "delete"; deleteAfter: number; linkLifetime: number };

/** The reason of media that are skipped, and downloaded once mirroring is on again. */
export const MIRRORING_OFF = "mirroring is off";

/** The reason of a medium that has failed because of its link. */
export const NO_HOST = "the link is not an http(s) address";

/**
 * The media and deliveries of an event. Pure: the store commits the plan together with the event. `given`: the context that
 * an event without one of its own gets from its video; null: none is known.
 */
export function planEvent(
  event: ProviderEvent,
  receivedAt: number,
  config: { mirror: MirrorChoice; endpoints: EndpointChoice[] },
  given: string | null = null,
): Plan {
  const deletes = planDeletion(event, receivedAt, config.mirror);
  // Media that will be deleted are not downloaded.
  const media = deletes ? [] : event.links.map((link) => planMedium(link, event, receivedAt, config.mirror));
  const waits = media.some((medium) => medium.refused === null);
  const { topic, videoId, context } = event;
  const subject = { topic, videoId, context: context ?? given };
  const deliveries = config.endpoints
    .filter((endpoint) => wants(endpoint, subject))
    .map((endpoint) => ({
      endpoint: endpoint.id,
      ordered: endpoint.order === "video",
      gateUntil: waits && endpoint.send === "after-mirror" ? receivedAt + endpoint.maxWait : null,
    }));
  return { media, deliveries, opensGates: deletedPart(event) !== null, deletes };
}

/** What an event deletes; a failure deletes nothing, whatever its type (CONTRACT, "Public listener"). */
function deletedPart({ type, failure }: ProviderEvent): "video" | "draft" | null {
  if (failure) return null;
  return type === "video.delete" ? "video" : type === "draft.delete" ? "draft" : null;
}

function planDeletion(event: ProviderEvent, receivedAt: number, mirror: MirrorChoice): Plan["deletes"] {
  const what = deletedPart(event);
  return what === null || mirror.onDelete === "keep" ? null : { what, at: receivedAt + mirror.deleteAfter };
}

function planMedium(
  link: ProviderEvent["links"][number],
  event: ProviderEvent,
  receivedAt: number,
  mirror: MirrorChoice,
): PlannedMedium {
  const host = hostOf(link.url);
  return {
    ...link,
    host,
    deadline: deadlineOf(link.url, receivedAt, mirror.linkLifetime),
    duration: link.kind === "video" ? event.duration : null,
    refetch: event.type?.startsWith("draft.") ?? false,
    refused: !mirror.enabled
      ? { state: "skipped", reason: MIRRORING_OFF }
      : host === ""
        ? { state: "failed", reason: NO_HOST }
        : null,
  };
}
