import type { Config } from "../config/schema.ts";
import type { ProviderEvent } from "../model/event.ts";
import type { MediaState, PlannedMedium } from "../model/medium.ts";
import type { Plan } from "../model/plan.ts";
import type { VideoState } from "../model/video.ts";
import { deadlineOf, hostOf } from "../wochit/link.ts";
import { topicMatches } from "./topics.ts";

/** A thumbnail that is all a delivery waits for holds it at most this long (CONTRACT, "The gate"). */
const THUMBNAIL_HOLD = 30_000;

/** Why media are skipped that are downloaded once mirroring is on again. */
export const MIRRORING_OFF = "mirroring is off";

/** Why a medium has failed whose link leads nowhere. */
export const NO_HOST = "the link is not an http(s) address";

/** Which media and deliveries an event needs. Pure: the store commits what comes out together with the event. */
export function planEvent(
  event: ProviderEvent,
  receivedAt: number,
  config: Pick<Config, "mirror" | "endpoints">,
): Plan {
  const deletes = planDeletion(event, receivedAt, config.mirror);
  // What is to be deleted is not fetched.
  const media = deletes ? [] : event.links.map((link) => planMedium(link, event, receivedAt, config.mirror));
  const waits = media.some((medium) => medium.refused === null);
  const deliveries = config.endpoints
    .filter((endpoint) => topicMatches(endpoint.events, event.topic))
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

function planDeletion(event: ProviderEvent, receivedAt: number, mirror: Config["mirror"]): Plan["deletes"] {
  const what = deletedPart(event);
  return what === null || mirror.onDelete === "keep" ? null : { what, at: receivedAt + mirror.deleteAfter };
}

function planMedium(
  link: ProviderEvent["links"][number],
  event: ProviderEvent,
  receivedAt: number,
  mirror: Config["mirror"],
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

/** What its events have made of a video. `hasFile`: it was ready, and nothing has deleted it since. */
export type VideoCondition = { state: VideoState; hasFile: boolean };

const UNKNOWN: VideoCondition = { state: "unknown", hasFile: false };

/**
 * A video after an event (CONTRACT, "State"). A produced video stays `ready` whatever becomes of drafts under its id, also
 * while it is `failed`; a straggling autosave revives no deleted draft.
 */
export function nextVideoState(
  { state, hasFile }: VideoCondition = UNKNOWN,
  event: Pick<ProviderEvent, "type" | "failure">,
): VideoCondition {
  if (event.failure) return { state: "failed", hasFile };
  switch (event.type) {
    case "video.ready":
      return { state: "ready", hasFile: true };
    case "video.delete":
      return { state: "deleted", hasFile: false };
    case "draft.delete":
      return { state: hasFile ? "ready" : "deleted", hasFile };
    case "draft.new":
      return { state: hasFile ? "ready" : "draft", hasFile };
    case "draft.update":
    case "draft.exit":
      return { state: hasFile ? "ready" : state === "deleted" ? "deleted" : "draft", hasFile };
    default:
      return { state, hasFile };
  }
}

/**
 * Autosaves repeat by nature: never a duplicate, and "another event in between" only where one changed the state, context
 * or title of its video (CONTRACT, "Duplicate").
 */
export function isAutosave(type: string | null): boolean {
  return type === "draft.update";
}

/** Shares of a link's life after which whoever asks is told that nothing is secured yet (`relay.media.at_risk`). */
const RISKS = [0.5, 0.75, 0.9];

/** The next time after `now` at which a medium that is not secured is at risk, or at greater risk; null: at none. */
export function nextRisk({
  linkedAt,
  deadline,
  now,
}: {
  linkedAt: number;
  deadline: number;
  now: number;
}): number | null {
  const times = RISKS.map((share) => Math.round(linkedAt + share * (deadline - linkedAt)));
  return times.find((time) => time > now) ?? null;
}

/** The share of its link's life that a medium at risk has used up: the greatest of those that are told. */
export function riskShare({ linkedAt, deadline, now }: { linkedAt: number; deadline: number; now: number }): number {
  return RISKS.findLast((share) => linkedAt + share * (deadline - linkedAt) <= now + 1) ?? RISKS[0]!;
}

/** The endpoints that are told of this topic, which the relay itself has to tell. */
export function readersOf(topic: string, endpoints: Config["endpoints"]): { endpoint: string; ordered: boolean }[] {
  return endpoints
    .filter(({ events }) => topicMatches(events, topic))
    .map(({ id, order }) => ({ endpoint: id, ordered: order === "video" }));
}

/**
 * Until when the gate of an `after-mirror` delivery stays shut; null: it is open.
 * `video` and `thumbnail` are the states of the event's media, null where it announced none.
 */
export function gateDue(gate: {
  receivedAt: number;
  gateUntil: number;
  video: MediaState | null;
  thumbnail: MediaState | null;
  now: number;
}): number | null {
  const until = isUnsettled(gate.video)
    ? gate.gateUntil
    : isUnsettled(gate.thumbnail)
      ? Math.min(gate.gateUntil, gate.receivedAt + THUMBNAIL_HOLD)
      : null;
  return until !== null && until > gate.now ? until : null;
}

function isUnsettled(state: MediaState | null): boolean {
  return state === "pending" || state === "running";
}
