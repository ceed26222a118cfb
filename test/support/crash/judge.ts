import type { Delivery } from "../../../src/model/delivery.ts";
import type { StoredEvent } from "../../../src/model/event.ts";
import { sha256Of } from "../bytes.ts";
import type { Stored } from "../stored.ts";
import type { App, Arrival } from "./app.ts";
import { judgeArrivals, judgeDeliveries } from "./judge-arrivals.ts";
import { deletedVideos, judgeMedia } from "./judge-media.ts";
import { type Kept, listFiles } from "./kept.ts";
import type { Replay } from "./operator.ts";
import type { Posted, World } from "./world.ts";

export type Known = StoredEvent & { videoId: string; sequence: number; posted: Posted };
export type Check = (holds: boolean, why: () => string) => void;

export type Judgement = {
  problems: string[];
  figures: { stored: number; superseded: number; files: number; checks: number };
};

/** Types that are meant when they come again (CONTRACT, "Duplicate"): sent twice, they are there twice. */
const NEVER_DUPLICATES = new Set(["draft.update", "draft.exit", "video.failed"]);

/**
 * Judges what a run left behind: what is stored, the copies, the spool, and what the applications got. The relay must have
 * stopped.
 */
export async function judge(given: {
  stored: Stored;
  kept: Kept;
  spoolDirs: string[];
  world: World;
  app: App;
  endpoints: { id: string; events: string[] }[];
  replays?: Replay[];
  /** Several relays took the events: what a dead one had sent to the database may be committed behind what came after it. */
  ofSeveral?: boolean;
}): Promise<Judgement> {
  const { stored, world, app, kept } = given;
  const problems: string[] = [];
  let checks = 0;
  const check: Check = (holds, why) => {
    checks++;
    if (!holds) problems.push(why());
  };
  check(stored.integrity() === "ok", () => `integrity_check: ${stored.integrity()}`);
  const events = await judgeEvents(given, check);
  const deliveries: Delivery[] = [];
  for await (const delivery of stored.deliveries()) deliveries.push(delivery);
  const { endpoints, replays = [] } = given;
  judgeArrivals({ events, arrivals: app.arrivals, deliveries, endpoints, replays, check });
  judgeOutcomes(app, check);
  judgeDeliveries(deliveries, check);
  const deleted = deletedVideos(events.values());
  const files = await judgeMedia({ stored, kept, world, app, deleted, check });
  for (const dir of given.spoolDirs) {
    const left = listFiles(dir);
    check(left.length === 0, () => `${dir} still holds ${left.length} files: ${left.slice(0, 5).join(", ")}`);
  }
  const superseded = deliveries.filter(({ state }) => state === "superseded").length;
  return { problems, figures: { stored: events.size, superseded, files, checks } };
}

/** Nothing acknowledged is lost, nothing is there that nobody sent, bytes are bytes, sequences follow the sending. */
async function judgeEvents(
  { stored, world, ofSeveral = false }: { stored: Stored; world: World; ofSeveral?: boolean },
  check: Check,
): Promise<Map<string, Known>> {
  const sent = new Map(world.posted.map((posted) => [sha256Of(posted.body), posted]));
  const events = new Map<string, Known>();
  const copies = new Map<Posted, StoredEvent[]>();
  const videos = new Map<string, Known[]>();
  for await (const event of stored.events()) {
    const { id } = event;
    const videoId = event.videoId ?? "";
    const body = await stored.body(id);
    const posted = sent.get(sha256Of(body));
    check(posted !== undefined, () => `${id} holds bytes that nobody sent: ${Buffer.from(body).toString()}`);
    if (posted === undefined) continue;
    check(posted.videoId === videoId, () => `${id} is filed under ${videoId}, not ${posted.videoId}`);
    check(event.sequence !== null, () => `${id} has no sequence`);
    const known = { ...event, videoId, sequence: event.sequence ?? 0, posted };
    events.set(id, known);
    copies.set(posted, [...(copies.get(posted) ?? []), event]);
    videos.set(videoId, [...(videos.get(videoId) ?? []), known]);
  }
  for (const [videoId, ofVideo] of videos) {
    ofVideo.sort((a, b) => a.sequence - b.sequence);
    const sequences = ofVideo.map(({ sequence }) => sequence);
    check(isOneToN(sequences), () => `${videoId} has the sequence ${sequences.join()}`);
    const isAcknowledged = ({ id, posted }: Known) => posted.answers.some((answer) => answer.id === id);
    const serials = ofVideo.filter((one) => !ofSeveral || isAcknowledged(one)).map(({ posted }) => posted.serial);
    check(isRising(serials), () => `${videoId}: sent in the order of their numbers, stored as ${serials.join()}`);
  }
  for (const posted of world.posted) judgeCopies(posted, copies.get(posted) ?? [], check);
  return events;
}

function judgeCopies({ serial, type, answers, cuts, resends }: Posted, copies: StoredEvent[], check: Check): void {
  const ids = copies.map(({ id }) => id);
  for (const { id } of answers) {
    check(
      ids.includes(id),
      () => `LOST: event ${serial} (${type}) was acknowledged as ${id}; stored: ${ids.join() || "no"}`,
    );
  }
  // Of a request that was cut nobody knows: its event is there, or is not.
  const most = !resends || !NEVER_DUPLICATES.has(type) ? 1 : cuts + 1;
  check(ids.length <= most, () => `event ${serial} (${type}) is stored ${ids.length} times: ${ids.join()}`);
  const repeats = copies.reduce((sum, { duplicates }) => sum + duplicates, 0);
  check(
    repeats <= cuts,
    () => `event ${serial} (${type}) is said to have come ${repeats} times more, ${cuts} were cut`,
  );
}

/** Whoever was sent a medium as pending was told how it ended. */
function judgeOutcomes({ arrivals, told }: App, check: Check): void {
  const last = new Map<string, Arrival>();
  for (const arrival of arrivals) if (arrival.taken) last.set(`${arrival.endpoint} ${arrival.id}`, arrival);
  for (const { endpoint, id, pending } of last.values()) {
    for (const kind of pending) {
      check(
        told.has(`${endpoint} ${id} ${kind}`),
        () => `${endpoint} was sent ${id} with its ${kind} pending, and no more`,
      );
    }
  }
}

function isOneToN(numbers: number[]): boolean {
  return numbers.every((number, index) => number === index + 1);
}

/** Equal neighbours are an autosave that was sent twice. */
function isRising(numbers: number[]): boolean {
  return numbers.every((number, index) => index === 0 || number >= numbers[index - 1]!);
}
