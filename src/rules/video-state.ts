import type { ProviderEvent } from "../model/event.ts";
import type { VideoState } from "../model/video.ts";

/** The state of a video after its events. `hasFile`: it was ready, and has not been deleted since. */
export type VideoCondition = { state: VideoState; hasFile: boolean };

const UNKNOWN: VideoCondition = { state: "unknown", hasFile: false };

/**
 * The state of a video after an event (CONTRACT, "State"). A produced video stays `ready` whatever happens to drafts of its
 * id, also while it is `failed`. A late autosave does not revive a deleted draft.
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
