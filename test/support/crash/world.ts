import type { Random } from "../../../src/ports.ts";
import { type EventType, inventVideoId, makeEvent, pick } from "../../../src/simulator/events.ts";
import type { Fault } from "../../../src/simulator/faults.ts";
import type { Provider } from "../../../src/simulator/provider.ts";

/** An event that was sent, and what was answered. No two have equal bytes: each carries its serial number. */
export type Posted = {
  serial: number;
  videoId: string;
  type: EventType;
  body: Uint8Array;
  /** A request that was cut by a kill is sent again until it is answered; without, it is left at that. */
  resends: boolean;
  answers: { id: string; status: string }[];
  /** Requests that broke off without an answer: their event may be stored or not. */
  cuts: number;
  /** Which of its video's thumbnails it announced (index in `thumbnails`); null: none. */
  thumbnail: number | null;
};

/** What the sender knows: everything posted, and everything that the provider ever served. */
export type World = {
  posted: Posted[];
  /** Deletes by video: from then on its gates are open. */
  deleted: Set<string>;
  /** The last event of each video that announced its thumbnail, by serial number. */
  announced: Map<string, number>;
  /** sha256 of each video file, by video. */
  videos: Map<string, Set<string>>;
  /** sha256 of each thumbnail of a video, in the order in which they took one another's place. */
  thumbnails: Map<string, string[]>;
  /** The next event of a story. It must be posted before the one after it is made. */
  make(story: Story): Posted | null;
  begin(): Story;
};

export type Story = { videoId: string; types: EventType[]; resends: boolean; films: number };

const LARGE = 21_000_000;

/** The provider holds its films in memory. */
const MOST_LARGE = 20;

/** What may be wrong with a file; all of it heals. */
const VIDEO_FAULTS: Fault[] = [
  { name: "404", times: 1 },
  { name: "404", times: 2 },
  { name: "slow", bytesPerSecond: 128 * 1024 },
  { name: "slow", bytesPerSecond: 512 * 1024 },
  { name: "cut", after: 0.5, times: 1 },
  { name: "cut", after: 3_000, times: 2 },
  { name: "break", every: 40_000, times: 3 },
  { name: "503", times: 1 },
  { name: "html-200", times: 1 },
  { name: "empty", times: 1 },
  { name: "wrong-length", by: 100, times: 1 },
  { name: "redirect", hops: 3 },
];
const THUMBNAIL_FAULTS: Fault[] = [
  { name: "404", times: 1 },
  { name: "cut", after: 0.5, times: 1 },
  { name: "slow", bytesPerSecond: 5_000 },
];

/** `large`: how many of a hundred films have twenty megabytes (at most MOST_LARGE), so that an upload of theirs takes several parts. */
export function createWorld({
  random,
  provider,
  large = 0,
}: {
  random: Random;
  provider: Provider;
  large?: number;
}): World {
  const posted: Posted[] = [];
  const deleted = new Set<string>();
  const announced = new Map<string, number>();
  const videos = new Map<string, Set<string>>();
  const thumbnails = new Map<string, string[]>();
  let largeFilms = 0;
  const chance = (share: number) => random.float() < share;

  function begin(): Story {
    const id = inventVideoId(random);
    const videoId = chance(0.85)
      ? id
      : pick(random, [
          id.toUpperCase(),
          `../../${id}`,
          `..\\${id}`,
          `/etc/${id}`,
          `é/${id}`,
          `e\u0301/${id}`,
          `${id}%2e`,
        ]);
    return { videoId, types: plot(), resends: chance(0.5), films: 0 };
  }

  function plot(): EventType[] {
    if (chance(0.1)) return ["legacy"];
    if (chance(0.05)) return ["draft.new", "draft.update", "draft.delete"];
    const types: EventType[] = ["draft.new"];
    while (chance(0.6) && types.length < 5) types.push("draft.update");
    if (chance(0.3)) types.push("draft.exit");
    types.push(chance(0.05) ? "video.failed" : "video.ready");
    if (chance(0.1)) types.push("video.ready");
    if (chance(0.15)) types.push("video.delete");
    return types;
  }

  function filmOf(story: Story): string {
    const name = story.films++ === 0 ? "video.mp4" : `video-${story.films}.mp4`;
    const isLarge = large > 0 && chance(large / 100) && largeFilms++ < MOST_LARGE;
    const bytes = isLarge ? LARGE : 2_500 + Math.floor(random.float() ** 3 * 200_000);
    const film = provider.addVideo(story.videoId, { name, bytes, seed: `${story.videoId} ${name}` });
    const faults: Fault[] = isLarge ? [{ name: "break", every: LARGE / 3 }] : VIDEO_FAULTS;
    film.setFault(chance(0.3) ? pick(random, faults) : null);
    const known = videos.get(story.videoId) ?? new Set();
    videos.set(story.videoId, known.add(film.sha256));
    return film.link();
  }

  function thumbnailOf(story: Story, type: EventType): string {
    const known = thumbnails.get(story.videoId) ?? [];
    thumbnails.set(story.videoId, known);
    const isNew = known.length === 0 || (type === "draft.update" && chance(0.7));
    const seed = `${story.videoId} ${isNew ? known.length : known.length - 1}`;
    const picture = provider.addThumbnail(story.videoId, seed);
    if (isNew) {
      known.push(picture.sha256);
      picture.setFault(chance(0.15) ? pick(random, THUMBNAIL_FAULTS) : null);
    }
    return picture.link();
  }

  return {
    posted,
    deleted,
    announced,
    videos,
    thumbnails,
    begin,
    make(story) {
      const type = story.types.shift();
      if (type === undefined) return null;
      const { videoId, resends } = story;
      const hasVideo = type === "video.ready" || type === "legacy";
      const hasThumbnail = hasVideo || (type.startsWith("draft.") && type !== "draft.delete");
      const serial = posted.length;
      const event = makeEvent(type, {
        random,
        videoId,
        context: `context of ${videoId}`,
        ...(hasVideo && { videoUrl: filmOf(story) }),
        ...(hasThumbnail && { thumbnailUrl: thumbnailOf(story, type) }),
      });
      if (type.endsWith(".delete")) deleted.add(videoId);
      const text = Buffer.from(event.body).toString();
      // Members that nobody documented, and spellings that JSON.stringify would not keep.
      const body = Buffer.from(
        text.replace(
          /\n\}$/,
          `,\n  "serial" :${serial}, "big":1234567890.12345678901234567890 , "\\u0065":"\\u00e9" }\n`,
        ),
      );
      const thumbnail = hasThumbnail ? thumbnails.get(videoId)!.length - 1 : null;
      const one: Posted = { serial, videoId, type, body, resends, answers: [], cuts: 0, thumbnail };
      posted.push(one);
      if (hasThumbnail) announced.set(videoId, serial);
      return one;
    },
  };
}
