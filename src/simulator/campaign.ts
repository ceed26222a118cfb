import { sleep } from "../platform/timing.ts";
import type { Clock, Random } from "../ports.ts";
import { ANNOUNCED_MEDIA, type EventType, inventContext, inventVideoId, makeEvent } from "./events.ts";
import type { Provider } from "./provider.ts";
import { type Sent, sendEvent } from "./send.ts";

/** Many events to one address. */
export type Campaign = {
  /** Where the relay takes webhooks. */
  to: string;
  /** The events of one video, in this order, about one context; those that delete come when all else of all videos is sent. */
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
  /** Awaited before anything is deleted. */
  beforeDeletion?(): Promise<void>;
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
  const { to, types, count, rate, signal } = campaign;
  const from = clock.elapsed();
  let started = 0;
  const inventVideo = (): Video => ({
    videoId: campaign.videoId ?? inventVideoId(random),
    context: campaign.context ?? inventContext(random),
  });
  const one = campaign.videoId === undefined ? null : inventVideo();
  const videos = Array.from({ length: count }, () => one ?? inventVideo());

  async function sendOne(type: EventType, { videoId, context }: Video): Promise<void> {
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

  async function sendAll(types: EventType[]): Promise<void> {
    let next = 0;
    const lane = async () => {
      while (next < count && !signal?.aborted) {
        const video = videos[next++]!;
        for (const type of types) await sendOne(type, video);
      }
    };
    const lanes = rate === undefined || one !== null ? 1 : Math.min(LANES, count);
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  const deleting = types.filter(deletes);
  const others = types.filter((type) => !deletes(type));
  await sendAll(others);
  if (deleting.length === 0) return;
  if (others.length > 0) await campaign.beforeDeletion?.();
  await sendAll(deleting);
}

type Video = { videoId: string; context: string };

const deletes = (type: EventType) => type.endsWith(".delete");
