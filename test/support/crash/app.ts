import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Webhook } from "standardwebhooks";
import type { Random } from "../../../src/ports.ts";
import { listen } from "../listen.ts";
import type { Spells } from "./spells.ts";
import { createTraffic, type Traffic } from "./traffic.ts";
import type { World } from "./world.ts";

/** One request of the relay to an endpoint, in order of arrival. */
export type Arrival = {
  endpoint: string;
  id: string;
  serial: number;
  /** What an enriched body says; null in a verbatim one. */
  sequence: number | null;
  /** The media of which it said that they are pending. */
  pending: string[];
  /** Its body says that it is a replay. */
  replay: boolean;
  /** It was answered 200. */
  taken: boolean;
  /** The app broke its connection: then the relay may send it once more under the same claim, as where one was kept for too long. */
  broken: boolean;
  /** When it came, and as which attempt. */
  at: number;
  attempt: number;
};

export type App = {
  url: string;
  arrivals: Arrival[];
  /** Different messages that were taken, per endpoint. */
  taken: Map<string, Set<string>>;
  /** The addresses of copies that enriched bodies told, and what they must give. */
  links: Map<string, { videoId: string; kind: "video" | "thumbnail"; sha256: string }>;
  /** What notices told: "<video> <kind> mirrored|failed" of every medium, and "<endpoint> <event> <kind>" of outcomes. */
  told: Set<string>;
  traffic: Traffic;
  problems: string[];
  /** Answers of each sort, for the summary. */
  counts: {
    taken: number;
    repeated: number;
    failed: number;
    reset: number;
    away: number;
    pending: number;
    notices: number;
  };
  close(): Promise<void>;
};

type Body = {
  type?: string;
  serial?: number;
  wochitVideoId?: string;
  relay?: {
    eventId: string;
    aboutEventId?: string;
    receivedAt: string;
    sequence: number;
    replay?: boolean;
    media: Partial<Record<"video" | "thumbnail", { status: string; sha256: string | null; url: string | null }>>;
  };
};

/** A thumbnail alone holds a delivery no longer than this (CONTRACT, "The gate"). */
const THUMBNAIL_HOLD = 30_000;

/**
 * The applications behind the endpoints: `/<endpoint id>` each. They verify every signature, compare what came with what
 * was posted, and now and then answer 500, answer late, or break the connection.
 */
export async function openApp(given: {
  world: World;
  random: Random;
  secret: string;
  verbatim: Set<string>;
  /** Endpoints that wait for no media. */
  hasty: Set<string>;
  /** Endpoints whose application always takes a while, so that it has several requests at once. */
  slow?: Set<string>;
  /** When the application of an endpoint is away. */
  spells?: Map<string, Spells>;
}): Promise<App> {
  const { world, random } = given;
  const webhook = new Webhook(given.secret);
  const arrivals: Arrival[] = [];
  const taken = new Map<string, Set<string>>();
  const links: App["links"] = new Map();
  const told = new Set<string>();
  const traffic = createTraffic();
  const problems: string[] = [];
  const counts = { taken: 0, repeated: 0, failed: 0, reset: 0, away: 0, pending: 0, notices: 0 };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    traffic.began(endpointOf(request), response);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the sender was killed in the middle
    }
    const body = Buffer.concat(chunks);
    const arrival = read(request, body, response);
    if (arrival === null) {
      response.writeHead(400).end();
      return;
    }
    if (arrival === "notice") {
      counts.notices++;
      response.writeHead(200).end("ok");
      return;
    }
    arrivals.push(arrival);
    const spells = given.spells?.get(arrival.endpoint);
    if (spells?.isAway()) {
      counts.away++;
      arrival.broken = true;
      request.socket.destroy();
      return;
    }
    const dice = random.float();
    if (dice < 0.03) {
      counts.reset++;
      arrival.broken = true;
      request.socket.destroy();
      return;
    }
    if (dice < 0.15 || given.slow?.has(arrival.endpoint))
      await new Promise((resolve) => setTimeout(resolve, random.float() * 150));
    if (dice < 0.08) {
      counts.failed++;
      response.writeHead(dice < 0.05 ? 500 : 429).end("not now");
      return;
    }
    if (response.destroyed || request.socket.destroyed) return;
    arrival.taken = true;
    spells?.tookOne();
    counts.taken++;
    const known = taken.get(arrival.endpoint) ?? new Set();
    if (known.has(arrival.id)) counts.repeated++;
    taken.set(arrival.endpoint, known.add(arrival.id));
    response.writeHead(200).end("ok");
  }

  /** A notice of the relay's own: which medium of which event ended how. */
  function takeNotice(endpoint: string, { type, wochitVideoId, relay }: Body): void {
    const how = type!.split(".").at(-1)!;
    if (how === "at_risk") return;
    for (const [kind, medium] of Object.entries(relay?.media ?? {})) {
      told.add(`${wochitVideoId} ${kind} ${how}`);
      told.add(`${endpoint} ${relay!.aboutEventId} ${kind}`);
      const isMirrored = medium.status === "mirrored";
      // It may have been deleted, or fetched anew, between the notice and its delivery.
      if (how === "mirrored" && !isMirrored && !["pending", "skipped"].includes(medium.status))
        problems.push(`${endpoint} was told that the ${kind} of ${wochitVideoId} is mirrored, and ${medium.status}`);
    }
  }

  function read(request: IncomingMessage, body: Buffer, response: ServerResponse): Arrival | "notice" | null {
    const endpoint = endpointOf(request);
    const id = String(request.headers["webhook-id"]);
    try {
      webhook.verify(body, request.headers as Record<string, string>);
    } catch (error) {
      problems.push(`${endpoint} got ${id} with a bad signature: ${(error as Error).message}`);
      return null;
    }
    const json = JSON.parse(body.toString()) as Body;
    if (json.wochitVideoId) traffic.inLane(endpoint, json.wochitVideoId, response);
    if (json.type?.startsWith("relay.media.")) {
      takeNotice(endpoint, json);
      return "notice";
    }
    const posted = world.posted[json.serial ?? -1];
    if (posted === undefined) {
      problems.push(`${endpoint} got ${id}, which nobody sent`);
      return null;
    }
    const say = (what: string) =>
      problems.push(`${endpoint} got ${id} (event ${posted.serial}, ${posted.type}) ${what}`);
    const rest = { taken: false, broken: false, at: Date.now(), attempt: Number(request.headers["webhook-attempt"]) };
    if (given.verbatim.has(endpoint)) {
      if (!body.equals(posted.body)) say("with other bytes than were posted");
      return { endpoint, id, serial: posted.serial, sequence: null, pending: [], replay: false, ...rest };
    }
    const { relay } = json;
    if (relay === undefined || relay.eventId !== id) {
      say(`with relay.eventId ${relay?.eventId}`);
      return null;
    }
    if (json.wochitVideoId !== posted.videoId) say("for another video");
    if (!body.includes('"big":1234567890.12345678901234567890') || !body.includes('"\\u0065":"\\u00e9"'))
      say("with an untouched member changed");
    const { videoId } = posted;
    const { video, thumbnail } = relay.media;
    for (const [kind, medium] of [
      ["video", video],
      ["thumbnail", thumbnail],
    ] as const) {
      if (medium?.url && medium.sha256) links.set(medium.url, { videoId, kind, sha256: medium.sha256 });
    }
    if (video?.status === "mirrored" && !world.videos.get(videoId)?.has(video.sha256 ?? ""))
      say("with the hash of a video that was never served");
    if (thumbnail?.status === "mirrored" && !world.thumbnails.get(videoId)?.includes(thumbnail.sha256 ?? ""))
      say("with the hash of a thumbnail that was never served");
    if (video?.status === "pending" || thumbnail?.status === "pending") {
      counts.pending++;
      const waited = Date.now() - Date.parse(relay.receivedAt);
      // The gate had opened, and then the thumbnail was announced anew: it is fetched again.
      const isFetchedAgain = (world.announced.get(videoId) ?? 0) > posted.serial;
      const isThumbnailAlone = video?.status !== "pending" && (isFetchedAgain || waited >= THUMBNAIL_HOLD - 50);
      const mayBe = given.hasty.has(endpoint) || world.deleted.has(videoId) || isThumbnailAlone;
      if (!mayBe) say(`before its media were settled, ${waited} ms after it was received`);
    }
    const pending = Object.entries(relay.media).flatMap(([kind, medium]) =>
      medium.status === "pending" ? [kind] : [],
    );
    return {
      endpoint,
      id,
      serial: posted.serial,
      sequence: relay.sequence,
      pending,
      replay: relay.replay === true,
      ...rest,
    };
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error) => problems.push(`the app broke: ${error}`));
  });
  const { url, close } = await listen(null, server);
  return {
    url,
    arrivals,
    taken,
    links,
    told,
    traffic,
    problems,
    counts,
    close,
  };
}

const endpointOf = ({ url = "/" }: IncomingMessage) => url.slice(1);
