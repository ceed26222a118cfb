import { Hono } from "hono";
import pkg from "../package.json" with { type: "json" };
import { type Config, parseListen } from "./config.ts";
import type { Job, Medium, Ports } from "./domain.ts";
import { errorLine } from "./errors.ts";
import { createDeliveries } from "./forward/deliver.ts";
import { createWake } from "./jobs/wake.ts";
import { type Lease, type Queue, startWorker, type Worker } from "./jobs/worker.ts";
import { mediaLink } from "./media-links.ts";
import { openMirror } from "./mirror/open.ts";
import { mediaRoute } from "./mirror/serve.ts";
import { healthRoutes } from "./operate/health.ts";
import { openOutbound } from "./platform/net.ts";
import { environment } from "./platform/runtime.ts";
import { errorAnswer, type Listener, listen } from "./platform/server.ts";
import { receiveRoute } from "./receive/route.ts";
import { openStore } from "./store/open.ts";
import type { Store } from "./store/store.ts";

/** Connecting to a media host or an endpoint takes no longer than this. */
const CONNECT_TIMEOUT = 10_000;

/** How often other processes' commits are looked for: they are noticed within a second. */
const WATCH_EVERY = 500;

/** A clock that is set back by less than this is being disciplined, not moved. */
const WORTH_MOVING = 1_000;

/** At a stop: for answers under way, then for jobs; together well below the ten seconds that are promised. */
const ANSWER_GRACE = 3_000;
const JOB_GRACE = 4_000;

export type Relay = {
  /** Where the webhook is received, as seen from this machine. */
  url: string;
  port: number;
  /** Takes nothing new, lets running work finish or leaves it to its lease, closes the store. */
  close(): Promise<void>;
};

/**
 * Opens everything the picture in the README shows, and ties it together. What was opened is closed in reverse, also
 * when a later step fails. `workers: false` receives and stores, but downloads and delivers nothing.
 */
export async function openRelay(config: Config, ports: Ports, options: { workers?: boolean } = {}): Promise<Relay> {
  const { clock, log } = ports;
  const closers: (() => Promise<void> | void)[] = [];
  let listener: Listener | null = null;
  const close = async () => {
    await listener?.close(ANSWER_GRACE);
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const store = await openStore(config, ports, { role: "relay" });
    closers.push(() => store.close());
    const freed = await store.freeLeases(clock.now());
    const secret = await store.mediaSecret();

    const workers: Worker[] = [];
    const wake = createWake(() => {
      for (const worker of workers) worker.wake();
    });

    const outbound = openOutbound({
      allowPrivateAddresses: config.mirror.allowPrivateAddresses,
      connectTimeout: CONNECT_TIMEOUT,
    });
    closers.push(() => outbound.close());
    const mirror = await openMirror({ config, store, outbound, ports });
    closers.push(() => mirror.close());
    const { targets, targetTrouble, spoolTrouble } = mirror;
    const media = mediaRoute({ store, targets, config: config.mirror, secret, log });
    const app = new Hono({ strict: false });
    app.route("/", receiveRoute({ store, config, ports, onAccepted: wake }));
    app.get("/media/*", media);
    app.route("/", healthRoutes({ store, config, clock, targetTrouble, spoolTrouble }));
    for (const path of ["/media/*", "/healthz", "/readyz"]) {
      app.all(path, () => errorAnswer("method_not_allowed", "this is only for reading", {}, { allow: "GET, HEAD" }));
    }
    app.notFound(() => errorAnswer("not_found", "nothing is here"));
    app.onError((error) => {
      log.error("request broke", { error: errorLine(error) });
      return errorAnswer("store_unavailable", "the relay could not answer; send it again");
    });

    const at = parseListen(config.server.listen)!;
    listener = await listen(app, { ...at, tls: config.server.tls }, clock);
    const scheme = config.server.tls ? "https" : "http";
    const publicUrl = config.server.publicUrl ?? `${scheme}://${environment().hostname}:${listener.port}`;
    const place = { ...config.mirror, publicUrl, secret };
    const link = ({ key, target, sourceUrl }: Medium) =>
      key === null ? sourceUrl : mediaLink(place, key, { isFormer: target !== targets.presentId });

    if (!config.mirror.enabled) await store.skipMedia(clock.now());
    if (options.workers !== false) {
      // A medium that is settled may have opened gates, and one step of it leads to the next.
      const queues = mirror.queues.map((queue) => ({
        ...queue,
        run: (job: Job & never, lease: Lease) => queue.run(job, lease).finally(wake),
      }));
      for (const endpoint of config.endpoints) {
        const { allowPrivateAddresses, concurrency } = endpoint;
        const outbound = openOutbound({
          allowPrivateAddresses,
          connectTimeout: CONNECT_TIMEOUT,
          connections: concurrency,
        });
        closers.push(() => outbound.close());
        const userAgent = `wochit-relay/${pkg.version}`;
        queues.push(
          createDeliveries({ endpoint, store, outbound, ports, userAgent, link }) as unknown as Queue<Job & never>,
        );
      }
      for (const queue of queues) workers.push(startWorker(queue, store, ports));
      closers.push(async () => {
        await Promise.all(workers.map((worker) => worker.stop(JOB_GRACE)));
      });
    }
    closers.push(await watch(store, wake, ports));
    wake();

    for (const warning of config.warnings) log.warn(warning);
    const url = `${scheme}://${listener.host.includes(":") ? `[${listener.host}]` : listener.host}:${listener.port}`;
    log.info("listening", {
      version: pkg.version,
      url,
      receive: config.receive.path,
      publicUrl,
      dataDir: config.dataDir,
      freed,
    });
    return { url: url + config.receive.path, port: listener.port, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Looks twice a second for what other processes (the operator's commands) have committed, for links that die while nothing
 * is secured, and at the clock: where it was set back, what is to come is moved along, so that a retry in a second is not
 * one in an hour.
 */
async function watch(store: Store, wake: () => void, { clock, log }: Ports): Promise<() => void> {
  let mark = await store.changeMark();
  let offset = clock.now() - clock.elapsed();
  let cancel = clock.after(WATCH_EVERY, look);

  async function heedClock(): Promise<void> {
    const now = clock.now() - clock.elapsed();
    const back = offset - now;
    offset = now;
    if (back < WORTH_MOVING) return;
    log.warn("the clock was set back", { ms: Math.round(back) });
    await store.bringForward(Math.round(back));
  }

  async function heedRisks(): Promise<void> {
    const at = await store.nextRisk();
    if (at === null || at > clock.now()) return;
    const risks = await store.raiseRisks(clock.now());
    for (const { mediumId: medium, videoId: video, kind, share } of risks) {
      log.warn("media at risk", { medium, video, kind, lifeOver: `${share * 100} %` });
    }
    wake();
  }

  async function heedOthers(): Promise<void> {
    const now = await store.changeMark();
    if (now !== mark) wake();
    mark = now;
  }

  function look(): void {
    cancel = clock.after(WATCH_EVERY, look);
    Promise.all([heedClock(), heedOthers(), heedRisks()]).catch(() => {}); // The store is in trouble, and says so itself.
  }
  return () => cancel();
}
