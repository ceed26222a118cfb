import { reprocess } from "../../../src/actions/quarantine.ts";
import { forgetVideo, importContexts } from "../../../src/actions/videos.ts";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { RelayError } from "../../../src/errors.ts";
import { buildBody } from "../../../src/message/body.ts";
import { type Accept, createAccept } from "../../../src/receive/accept.ts";
import type { Store } from "../../../src/store/store.ts";
import { configIn, endpoint } from "../../support/config.ts";
import { answered } from "../../support/outcomes.ts";
import { testClock, testPorts } from "../../support/ports.ts";
import type { OpenStore } from "../walk.ts";
import type { Answer, SeenVideo } from "./model.ts";
import type { Post } from "./read.ts";

export const START = Date.UTC(2026, 0, 1);

/** A store in `dir`, and the ways in and out of it, behind the verbs of the model (`Intake`). Times are now unless said. */
export async function openSystem(openStore: OpenStore, dir: string, input: ConfigInput = {}) {
  const clock = testClock(START);
  const config = configIn(dir, {
    endpoints: [endpoint("cms", { order: "none", send: "immediately" })],
    mirror: { enabled: false },
    ...input,
  });
  const open = () => openStore(config, testPorts(clock));
  let store = await open();
  let accept: Accept = createAccept({ store });
  const events: string[] = [];
  const kept: string[] = [];

  function named({ id, status }: { id: string; status: "accepted" | "duplicate" }): Answer {
    if (!events.includes(id)) events.push(id);
    return { is: status, event: events.indexOf(id) };
  }

  /** A replay of the event, as the endpoint gets it. */
  async function replayed(id: string): Promise<Uint8Array | null> {
    await store.replay(id, { endpoint: "cms", ordered: false, newId: false }, clock.now());
    const now = clock.now() + 1e9;
    let body: Uint8Array | null = null;
    for (const job of (await store.claimDeliveries({ endpoint: "cms", now, limit: 9999, leaseFor: 1e9 })).jobs) {
      if (job.replay && job.eventId === id) {
        const { event, media, contexts, replay } = job;
        body = buildBody({
          event,
          media,
          contexts,
          replay,
          body: await store.eventBody(id),
          link,
          mode: "enriched",
        }).body;
      }
      await store.settleDelivery(job, answered(200, { at: clock.now() }), clock.now());
    }
    return body;
  }

  return {
    clock,
    config,
    events,
    kept,
    /** It is another one after a restart. */
    store: () => store,
    close: () => store.close(),
    async restart() {
      await store.close();
      store = await open();
      accept = createAccept({ store });
    },

    pass: (now: number) => clock.set(now),
    count: () => events.length,

    post: (body: string, at = clock.now()): Promise<Answer> =>
      accept(Buffer.from(body), "192.0.2.1", at).then(named).catch(refusal),
    burst: async (bodies: string[], at = clock.now()): Promise<Answer[]> =>
      (await Promise.all(bodies.map((body) => accept(Buffer.from(body), "192.0.2.1", at)))).map(named),
    import: (rows: { videoId: string; context: string }[], override = false, now = clock.now()) =>
      importContexts(store, rows, () => now, { override }),
    async forget(videoId: string, now = clock.now()) {
      try {
        const { events, refused } = await forgetVideo(store, videoId, now);
        return { events, refused };
      } catch (error) {
        const code = codeOf(error);
        if (code === "conflict" || code === "not_found") return code;
        throw error;
      }
    },
    async refuse(body: string, at = clock.now()): Promise<number> {
      const refusal = { receivedAt: at, sourceAddress: "198.51.100.9", reason: "source" } as const;
      return kept.push((await store.quarantine({ ...refusal, body: Buffer.from(body) })).id) - 1;
    },
    reprocess: async (index: number): Promise<Answer> =>
      kept[index] === undefined
        ? { is: "not_found" }
        : reprocess(store, accept, kept[index]).then(named).catch(refusal),

    video: (videoId: string) => seenVideo(store, videoId),
    body: (index: number, { replay = false } = {}) =>
      seenBody(store, events[index]!, replay ? () => replayed(events[index]!) : undefined),
    duplicates: async (index: number): Promise<number> => (await store.event(events[index]!)).duplicates,
  };
}

export type System = Awaited<ReturnType<typeof openSystem>>;

const link = () => "";

export async function seenVideo(store: Store, videoId: string): Promise<SeenVideo | null> {
  const video = await store.video(videoId).catch(nullWhere("not_found"));
  if (video === null) return null;
  const { state, context, contextHistory, title, duration, firstSeenAt, lastEventAt, forgottenAt } = video;
  return { state, context, contextHistory, title, duration, firstSeenAt, lastEventAt, forgottenAt };
}

/** What the enriched body of an event says, but for its id and its media; `build` makes it otherwise. Null: it is erased. */
export async function seenBody(
  store: Store,
  id: string,
  build?: () => Promise<Uint8Array | null>,
): Promise<Post | null> {
  const body = await store.eventBody(id).catch(nullWhere("body_expired"));
  if (body === null) return null;
  const built = build ? await build() : await bodyNow(store, id, body);
  const object = JSON.parse(Buffer.from(built!).toString());
  delete object.relay.media;
  delete object.relay.eventId;
  return object;
}

/** The enriched body as a first attempt would have it now, from what the store shows of the event and its video. */
async function bodyNow(store: Store, id: string, body: Uint8Array): Promise<Uint8Array> {
  const [event, media] = await Promise.all([store.event(id), store.eventMedia(id)]);
  const { contextHistory } = await store.video(event.videoId!);
  const contexts = [...new Set(contextHistory.map(({ context }) => context).reverse())];
  return buildBody({ event, media, contexts, body, link, replay: false, mode: "enriched" }).body;
}

function codeOf(error: unknown): string | null {
  return error instanceof RelayError ? error.code : null;
}

function nullWhere(code: string) {
  return (error: unknown): null => {
    if (codeOf(error) === code) return null;
    throw error;
  };
}

function refusal(error: unknown): Answer {
  const code = codeOf(error);
  if (code === "not_found") return { is: "not_found" };
  if (code === "invalid_json" || code === "invalid_event") return { is: "invalid" };
  throw error;
}
