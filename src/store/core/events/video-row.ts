import type { VideoState } from "../../../model/video.ts";

/** The row of a video. */
export type VideoRow = {
  id: number;
  video_id: string;
  context: string | null;
  context_since: number | null;
  state: VideoState;
  title: string | null;
  duration: number | null;
  first_seen: number;
  last_event_at: number;
  sequence: number;
  last_event: number | null;
  last_fingerprint: string | null;
  forgotten_at: number | null;
  has_file: 0 | 1;
  ordered_at: number;
  title_at: number | null;
  duration_at: number | null;
  forgotten_through: number;
};
