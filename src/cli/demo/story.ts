import { createHash } from "node:crypto";
import type { MediaKind } from "../../model/medium.ts";
import type { Ports } from "../../ports.ts";
import {
  type EventOptions,
  type EventType,
  inventVideoId,
  makeEvent,
  type SimulatedEvent,
} from "../../simulator/events.ts";
import type { ServedMedium } from "../../simulator/medium.ts";
import type { Provider } from "../../simulator/provider.ts";
import { sendEvent } from "../../simulator/send.ts";
import type { Delivered, DemoApp } from "./app.ts";

/** The parts of the demo. */
export type Stage = {
  provider: Provider;
  /** Where the relay takes webhooks. */
  webhooks: string;
  app: DemoApp;
  ports: Ports;
  say(line?: string): void;
};

const CONTEXT = "page-4711";

/**
 * Plays the life of two videos and checks each step as their user would. Throws an Error of one line at the first check that
 * fails.
 */
export async function playStory(stage: Stage): Promise<void> {
  const { provider, say, ports } = stage;
  const first = inventVideoId(ports.random);
  const second = inventVideoId(ports.random);
  let step = 0;
  const play = (type: EventType, what: string, options: Omit<EventOptions, "random">) => {
    say();
    say(`${++step}. ${type === "legacy" ? "(no type)" : type}: ${what}`);
    return playEvent(stage, makeEvent(type, { context: CONTEXT, ...options, random: ports.random }));
  };

  const thumbnail = provider.addThumbnail(first, "first look");
  const draft = { videoId: first, title: "Breaking news" };
  let got = await play("draft.new", "an editor starts a video", { ...draft, thumbnailUrl: thumbnail.link() });
  checkMirrored(say, got, "thumbnail", thumbnail);

  provider.addThumbnail(first, "after an autosave");
  got = await play("draft.update", "an autosave; the same link leads to another picture now", {
    ...draft,
    thumbnailUrl: thumbnail.link(),
  });
  checkMirrored(say, got, "thumbnail", thumbnail);

  const video = provider.addVideo(first, { seconds: 35.9, bytes: 2_400_000 });
  video.setFault({ name: "404", times: 1 });
  got = await play("video.ready", "produced, but at first its link answers 404: not there yet", {
    ...draft,
    thumbnailUrl: thumbnail.link(),
    videoUrl: video.link(),
  });
  const durable = checkMirrored(say, got, "video", video);
  await checkReadable(say, durable, video);

  const oldVideo = provider.addVideo(second, { seconds: 12, bytes: 900_000 });
  got = await play("legacy", "another video, in the provider's older dialect", {
    videoId: second,
    videoUrl: oldVideo.link(),
    thumbnailUrl: provider.addThumbnail(second).link(),
  });
  checkMirrored(say, got, "video", oldVideo);
  check(
    say,
    got.body.type === "video.ready",
    'your app received it as "video.ready"',
    `its type became ${got.body.type}`,
  );

  got = await play("video.delete", "the provider deletes the first video; your copy stays", { videoId: first });
  await checkReadable(say, durable, video);

  got = await play("draft.delete", "the provider sends an id and nothing else", { videoId: first });
  const { videoContext, relay } = got.body;
  check(
    say,
    videoContext === CONTEXT && relay?.contextFrom === "mapping",
    `videoContext "${CONTEXT}" was filled in from the relay's mapping`,
    `videoContext came as ${JSON.stringify(videoContext)}`,
  );
  check(say, relay?.sequence === 5, "event 5 of its video, all in order", `its sequence is ${relay?.sequence}, not 5`);
}

/** Sends the event and waits until the application has it. */
async function playEvent(stage: Stage, event: SimulatedEvent): Promise<Delivered> {
  const { webhooks, app, ports, say } = stage;
  const { type, ...members } = event.json;
  say(`   came in: ${Object.entries(members).map(describeMember).join(", ")}`);
  const sent = await sendEvent(webhooks, event.body, { clock: ports.clock });
  const answer = sent.json as { id?: string; status?: string; error?: { message?: string } };
  const id = answer?.id ?? "";
  const committed = sent.status === 200 && answer.status === "accepted";
  check(say, committed, `committed to disk as ${id} in ${sent.ms.toFixed(0)} ms`, `the relay answered ${sent.status}`);
  const got = await app.delivery(id);
  check(say, got.verdict.valid, "delivered, signature valid", got.verdict.valid ? "" : got.verdict.why);
  if (got.body.wochitVideoId !== event.videoId) throw new Error(`it is about video ${got.body.wochitVideoId}`);
  return got;
}

/** Of links only the names are shown: they are long, and give access to a file. */
function describeMember([name, value]: [string, unknown]): string {
  return name.endsWith("Url") ? name : `${name} ${JSON.stringify(value)}`;
}

/** Checks that the copy in a delivery is the same file, and returns its durable address. */
function checkMirrored(say: Stage["say"], { body }: Delivered, kind: MediaKind, medium: ServedMedium): string {
  const copy = body.relay?.media?.[kind];
  const url = kind === "video" ? body.videoUrl : body.thumbnailUrl;
  const right = copy?.status === "mirrored" && copy.sha256 === medium.sha256 && copy.bytes === medium.bytes.length;
  const asked = medium.counts.requests;
  const tries = asked > 1 && kind === "video" ? `, after ${asked} tries` : "";
  check(
    say,
    right && url !== undefined && url === copy.url,
    `${kind} mirrored: ${medium.bytes.length.toLocaleString("en")} bytes, sha256 ${medium.sha256.slice(0, 16)}…${tries}`,
    `the ${kind} is ${copy?.status ?? "not in the body"}, sha256 ${copy?.sha256 ?? "unknown"}`,
  );
  say(`     ${kind === "video" ? "videoUrl" : "thumbnailUrl"} is now ${url}`);
  return url!;
}

/** Checks that the copy can be read from the relay, whole and in pieces. */
async function checkReadable(say: Stage["say"], url: string, medium: ServedMedium): Promise<void> {
  const whole = await read(url);
  check(
    say,
    whole.status === 200 && createHash("sha256").update(whole.body).digest("hex") === medium.sha256,
    "fetched back from the relay: the same sha256",
    `fetching it back gave ${whole.status} and ${whole.body.length} bytes`,
  );
  const piece = await read(url, { range: "bytes=1000-1999" });
  check(
    say,
    piece.status === 206 && piece.body.equals(medium.bytes.subarray(1000, 2000)),
    "and a piece of it (Range: bytes=1000-1999): 206, the same bytes",
    `a piece of it gave ${piece.status} and ${piece.body.length} bytes`,
  );
}

/** The relay redirects to copies in a bucket; fetch follows. */
async function read(url: string, headers: Record<string, string> = {}): Promise<{ status: number; body: Buffer }> {
  const answer = await fetch(url, { headers });
  return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
}

function check(say: Stage["say"], right: boolean, yes: string, no: string): void {
  if (!right) throw new Error(no);
  say(`   ✓ ${yes}`);
}
