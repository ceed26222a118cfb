import type { ProviderEvent } from "../model/event.ts";
import type { VideoState } from "../model/video.ts";

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
