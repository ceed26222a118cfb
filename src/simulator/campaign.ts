import { sleep } from "../platform/timing.ts";
import type { Clock, Random } from "../ports.ts";
import { ANNOUNCED_MEDIA, type EventType, inventVideoId, makeEvent } from "./events.ts";
import type { Provider } from "./provider.ts";
import { type Sent, sendEvent } from "./send.ts";

/** Many events to one address. */
export type Campaign = {
  /** Where the relay takes webhooks. */
  to: string;
  /** The events of one video, in this order. */
  types: readonly EventType[];
  /** Of how many videos. */
  count: number;
  /** Events a second at most; without it each is sent when the one before it has been answered. */
  rate?: number;
  /** All of one video instead of one new video each. */
  videoId?: string;
  context?: string;
  /** The size of each video; the smallest possible unless given. */
  videoBytes?: number;
  signal?: AbortSignal;
};

export type Report = { type: EventType; videoId: string } & ({ sent: Sent } | { error: unknown });

/** How many videos have events under way at once at a given rate; the events of one video are sent one after the other. */
const LANES = 16;

/** Sends the events, and reports each as it is answered. Ends early when the signal is aborted. */
export async function runCampaign(
  campaign: Campaign,
  { clock, random, provider }: { clock: Clock; random: Random; provider: Provider },
  report: (report: Report) => void,
): Promise<void> {
  const { to, types, count, rate, context, signal } = campaign;
  const from = clock.elapsed();
  let started = 0;
  let next = 0;

  async function sendOne(type: EventType, videoId: string): Promise<void> {
    const early = rate === undefined ? 0 : (started++ / rate) * 1000 - (clock.elapsed() - from);
    if (early > 0) await sleep(early, clock, signal);
    if (signal?.aborted) return;
    const { body } = makeEvent(type, { random, videoId, context, ...announce(type, videoId) });
    try {
      report({ type, videoId, sent: await sendEvent(to, body, { clock, signal }) });
    } catch (error) {
      if (!signal?.aborted) report({ type, videoId, error });
    }
  }

  /** Serves the media that an event of this type announces, and makes links to them. An autosave has a new thumbnail. */
  function announce(type: EventType, videoId: string): { videoUrl?: string; thumbnailUrl?: string } {
    const announced = ANNOUNCED_MEDIA[type];
    const look = type === "draft.update" ? `${videoId} ${random.float()}` : videoId;
    const film = { bytes: campaign.videoBytes };
    return {
      ...(announced.video && { videoUrl: provider.addVideo(videoId, film).link() }),
      ...(announced.thumbnail && { thumbnailUrl: provider.addThumbnail(videoId, look).link() }),
    };
  }

  async function lane(): Promise<void> {
    while (next < count && !signal?.aborted) {
      next++;
      const videoId = campaign.videoId ?? inventVideoId(random);
      for (const type of types) await sendOne(type, videoId);
    }
  }

  const lanes = rate === undefined || campaign.videoId !== undefined ? 1 : Math.min(LANES, count);
  await Promise.all(Array.from({ length: lanes }, lane));
}
