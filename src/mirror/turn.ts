import type { MediaKind } from "../model/medium.ts";

/** Whose turn it is: work on the copies of a video, or of its thumbnails, is done one after the other. */
export function turnOf(videoId: string, kind: MediaKind): string {
  return `${kind}/${videoId}`;
}
