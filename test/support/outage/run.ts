import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { Ports } from "../../../src/ports.ts";
import { createAccept, type Workers } from "../../../src/receive/accept.ts";
import { createEndpointWorkers } from "../../../src/relay/endpoints.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Store } from "../../../src/store/store.ts";
import { configIn, endpoint } from "../config.ts";
import { seededRandom } from "../random.ts";
import { type SimApp, simApp } from "./app.ts";
import { HOUR, MINUTE, type OutageCase } from "./cases.ts";
import { judge, type OutageReport, type Post } from "./judge.ts";
import { type SimClock, simClock } from "./sim-clock.ts";

const START = Date.UTC(2026, 0, 1);

/** The trouble begins so long after the first event; then more events come until so long after its end. */
const BEFORE = MINUTE;
const AFTER = MINUTE;

/** So long after the trouble, at the latest, a run ends: the default schedule is spent by then. */
const PATIENCE = 120 * HOUR;

/**
 * Plays the trouble of one app, beside one that works, in simulated time: the real store, workers and forwarder, and apps
 * without a network. Many videos with several events each; some come before the trouble, most during it. `size` multiplies them.
 */
export async function runOutage(
  outage: OutageCase,
  { seed, size = 1 }: { seed: string; size?: number },
): Promise<OutageReport> {
  const dir = await mkdtemp(join(tmpdir(), "wochit-relay-outage-"));
  const stage = await openStage(dir, outage, seed);
  try {
    const posts = plan(outage, seed, size);
    for (const { at, videoId, type } of posts) {
      await stage.clock.passUntil(at);
      const title = `${type} of ${videoId} at ${at}`;
      const body = JSON.stringify({ type, wochitVideoId: videoId, videoContext: `page of ${videoId}`, title });
      await stage.accept(Buffer.from(body), "192.0.2.1", at);
    }
    const end = START + BEFORE + outage.lasts;
    for (let wait = MINUTE; stage.left() > 0 && stage.clock.now() < end + PATIENCE; wait = Math.min(wait * 2, HOUR))
      await stage.clock.passUntil(stage.clock.now() + wait);
    return judge(outage, { posts, end, ...stage });
  } finally {
    await stage.close();
    await rm(dir, { recursive: true });
  }
}

/** The events of each video in their order: the first half of the videos is known before the trouble. */
function plan({ lasts, aloneFor }: OutageCase, seed: string, size: number): Post[] {
  const random = seededRandom(`${seed} posts`);
  const troubled = START + BEFORE;
  const posts: Post[] = [];
  if (aloneFor !== undefined) posts.push({ at: troubled + 1, videoId: "first", type: "video.ready" });
  const from = aloneFor === undefined ? START : troubled + aloneFor;
  if (!Number.isFinite(from)) return posts;
  const known = 20 * size;
  for (let video = 0; video < 2 * known; video++) {
    const videoId = `video-${video}`;
    const first = video < known ? from + random.float() * BEFORE : from + random.float() * (troubled + lasts - from);
    const later = () => first + random.float() * (troubled + lasts + AFTER - first);
    posts.push({ at: Math.round(first), videoId, type: "draft.new" });
    for (let event = 0; event < 4; event++) posts.push({ at: Math.round(later()), videoId, type: "draft.update" });
  }
  return posts.sort((one, other) => one.at - other.at);
}

type Stage = {
  clock: SimClock;
  app: SimApp;
  other: SimApp;
  accept: ReturnType<typeof createAccept>;
  /** Deliveries that have not ended. */
  left(): number;
  /** Warnings and errors so far. */
  logged(): number;
  db: Database.Database;
  close(): Promise<void>;
};

async function openStage(dir: string, outage: OutageCase, seed: string): Promise<Stage> {
  let calls = 0;
  let logged = 0;
  const clock = simClock(START, () => calls > 0);
  const troubled = START + BEFORE;
  const app = simApp({
    clock,
    weather(now, videoId) {
      const isTroubled =
        outage.poison === undefined ? now >= troubled && now < troubled + outage.lasts : videoId === outage.poison;
      return isTroubled ? outage.during(now - troubled, now) : { status: 200 };
    },
  });
  const other = simApp({ clock, weather: () => ({ status: 200 }) });
  const ports: Ports = {
    clock,
    random: seededRandom(`${seed} jitter`),
    log: {
      debug() {},
      info(fact) {
        if (fact.startsWith("endpoint recovered")) app.breaker("closed");
      },
      warn() {
        logged++;
      },
      error(fact) {
        logged++;
        if (fact.startsWith("endpoint failing")) app.breaker("opened");
      },
    },
  };
  const { ratePerSecond = null } = outage;
  const config = configIn(dir, {
    mirror: { enabled: false },
    endpoints: [endpoint("app", { ratePerSecond }), endpoint("other")],
  });
  const opened = await openStore(config, ports, { role: "relay" });
  const store = counting(opened, (more) => {
    calls += more;
  });
  const workers = createEndpointWorkers({
    store,
    ports,
    link: () => null as never,
    userAgent: "wochit-relay/test",
    connectTimeout: 10_000,
    open: () => apps.shift()!,
  });
  const apps = [app, other];
  workers.apply(config.endpoints);
  const accepting: Workers = {
    hold: () => workers.hold(),
    wake: ({ endpoints }) => workers.wake(endpoints ?? undefined),
  };
  const db = new Database(join(config.dataDir, "relay.db"), { readonly: true });
  const left = db.prepare<[], { count: number }>("SELECT count(*) AS count FROM deliveries WHERE settled_at IS NULL");
  return {
    clock,
    app,
    other,
    accept: createAccept({ store, workers: accepting }),
    left: () => left.get()!.count,
    logged: () => logged,
    db,
    async close() {
      db.close();
      const stopping = workers.stop(1_000);
      await clock.passUntil(clock.now() + 2_000);
      await stopping;
      await opened.close();
    },
  };
}

/** The store, whose calls under way are counted. */
function counting(store: Store, count: (more: number) => void): Store {
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        const result = Reflect.apply(member, target, given);
        if (!(result instanceof Promise)) return result;
        count(1);
        return result.finally(() => count(-1));
      };
    },
  });
}
