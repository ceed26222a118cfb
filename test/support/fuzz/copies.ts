import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { makeEvent } from "../../../src/simulator/events.ts";
import type { Provider } from "../../../src/simulator/provider.ts";
import { sha256Of } from "../bytes.ts";
import { seededRandom } from "../random.ts";
import type { App } from "./app.ts";
import { pathIds, TWINS } from "./ids.ts";

/** All of them are mirrored and delivered within this long. */
const PATIENCE = 120_000;

/** What an enriched body tells of a copy. */
type Told = { videoUrl?: string; relay?: { media?: { video?: { status?: string; sha256?: string } } } };

/**
 * Announces a video of its own for every id that could lead a path astray or be taken for another, lets the relay mirror
 * it, and fetches the copy by the address that the application was told. Gives the bodies sent, and the sha256 by id.
 */
export async function mirrorHostileIds(given: {
  webhook: string;
  provider: Provider;
  app: App;
  outside: string;
  seed: string;
  problems: string[];
}): Promise<{ bodies: Uint8Array[]; copies: Map<string, string> }> {
  const { provider, app, problems } = given;
  const random = seededRandom(`${given.seed} copies`);
  app.keepAll();
  const bodies: Uint8Array[] = [];
  const copies = new Map<string, string>();
  const events = new Map<string, string>();
  for (const videoId of new Set([...pathIds(given.outside), ...TWINS, "6094092472a9105747957aa3"])) {
    const place = sha256Of(Buffer.from(videoId));
    const film = provider.addVideo(place, { seed: videoId });
    const picture = provider.addThumbnail(place, videoId);
    const { body } = makeEvent("video.ready", {
      random,
      videoId,
      videoUrl: byName(film.link()),
      thumbnailUrl: byName(picture.link()),
    });
    bodies.push(body);
    copies.set(videoId, film.sha256);
    const answer = await request(given.webhook, { method: "POST", body });
    const { id } = (await answer.body.json()) as { id?: string };
    if (answer.statusCode !== 200 || id === undefined)
      problems.push(`the video of ${JSON.stringify(videoId)} was answered ${answer.statusCode}`);
    else events.set(videoId, id);
  }
  const until = Date.now() + PATIENCE;
  for (const [videoId, id] of events) {
    const body = await delivery(app, id, until);
    if (body === null) problems.push(`the video of ${JSON.stringify(videoId)} was not delivered in time`);
    else await fetchCopy(videoId, body, copies.get(videoId)!, problems);
  }
  return { bodies, copies };
}

/** The relay of this run may fetch from "localhost" by name, and from no address. */
function byName(link: string): string {
  return link.replace("127.0.0.1", "localhost");
}

async function delivery(app: App, id: string, until: number): Promise<Told | null> {
  for (;;) {
    const there = app.delivered.get(id);
    if (there !== undefined) return there.json as Told;
    if (Date.now() > until) return null;
    await sleep(20);
  }
}

async function fetchCopy(
  videoId: string,
  { videoUrl, relay }: Told,
  sha256: string,
  problems: string[],
): Promise<void> {
  const name = JSON.stringify(videoId);
  const told = relay?.media?.video;
  if (told?.status !== "mirrored" || told.sha256 !== sha256 || videoUrl === undefined) {
    problems.push(`the application was told of ${name}: ${JSON.stringify(told)}`);
    return;
  }
  const copy = await request(videoUrl);
  const bytes = Buffer.from(await copy.body.arrayBuffer());
  if (copy.statusCode !== 200 || sha256Of(bytes) !== sha256)
    problems.push(`the copy of ${name} cannot be fetched: ${copy.statusCode}`);
  // One character of the signature changed: as if nothing were there.
  const forged = videoUrl
    .replace(/.$/, (last) => (last === "A" ? "B" : "A"))
    .replace(/sig=./, (first) => (first === "sig=A" ? "sig=B" : "sig=A"));
  const refused = await request(forged);
  await refused.body.dump();
  if (refused.statusCode !== 404)
    problems.push(`the copy of ${name} is given for a forged signature: ${refused.statusCode}`);
}
