/** Why an endpoint is paused that says itself that it is gone. */
export const GONE = "answered 410 Gone for two videos in a row";

/**
 * The video for which an endpoint last answered 410, after one more answer about `video`; 0: its last answer was another one.
 * `pauses`: that makes two in a row, of two videos.
 */
export function countGone(before: number, video: number, status: number | null): { gone: number; pauses: boolean } {
  const gone = status !== 410 ? 0 : before === 0 ? video : before;
  return { gone, pauses: gone !== 0 && gone !== video };
}
