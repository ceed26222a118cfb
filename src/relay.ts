import pkg from "../package.json" with { type: "json" };
import { type Config, parseListen } from "./config.ts";
import type { Medium, Ports } from "./domain.ts";
import { errorLine, RelayError } from "./errors.ts";
import { createWake } from "./jobs/wake.ts";
import { mediaLink } from "./media-links.ts";
import { mediaRoute } from "./mirror/serve.ts";
import { healthRoutes } from "./operate/health.ts";
import { environment, selfCommand } from "./platform/runtime.ts";
import { type Listener, listen } from "./platform/server.ts";
import { readTls } from "./platform/tls-files.ts";
import { receiveRoute } from "./receive/route.ts";
import { publicApp } from "./relay/app.ts";
import { type Command, openBackups } from "./relay/backups.ts";
import { compareConfigs } from "./relay/changes.ts";
import { createEndpointWorkers } from "./relay/endpoints.ts";
import { type Mirroring, openMirroring } from "./relay/mirroring.ts";
import { watch } from "./relay/watch.ts";
import { openStore } from "./store/open.ts";
import { settingsOf } from "./store/settings.ts";

/** Connecting to a media host or an endpoint takes no longer than this. */
const CONNECT_TIMEOUT = 10_000;

/** At a stop: for answers under way, then for jobs; together well below the ten seconds that are promised. */
const ANSWER_GRACE = 3_000;
const JOB_GRACE = 4_000;

export type Relay = {
  /** Where the webhook is received, as seen from this machine. */
  url: string;
  port: number;
  /**
   * Takes another config while it runs: whole, or, where something of it cannot be used (it throws then), nothing of it.
   * Says what it takes, and what it cannot take before the next start, by their names in the file.
   */
  reload(config: Config): Promise<{ changed: string[]; needsRestart: string[] }>;
  /** Resolves once the store has answered, with success or with its trouble; a relay that hangs leaves it open. */
  answers(): Promise<true>;
  /** One line for an operator: what it does, and what is wrong. */
  describe(): string;
  /** Takes nothing new, lets running work finish or leaves it to its lease, closes the store. */
  close(): Promise<void>;
};

/**
 * `workers: false` receives and stores, but downloads and delivers nothing. `socket`: a file descriptor that listens already.
 * `self`: how the program is started again, where this process is another.
 */
export type RelayOptions = { workers?: boolean; socket?: number; self?: Command };

/**
 * Opens everything the picture in the README shows, and ties it together. What was opened is closed in reverse, also
 * when a later step fails.
 */
export async function openRelay(given: Config, ports: Ports, options: RelayOptions = {}): Promise<Relay> {
  const { clock, log } = ports;
  const { workers = true, self = selfCommand() } = options;
  let config = given;
  let events = 0;
  let listener: Listener | null = null;
  let reloading: Promise<unknown> = Promise.resolve();
  let closing = false;
  const closers: (() => Promise<void> | void)[] = [];
  const close = async () => {
    closing = true;
    await Promise.all([reloading, listener?.close(ANSWER_GRACE)]);
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const store = await openStore(config, ports, { role: "relay" });
    closers.push(() => store.close());
    const freed = await store.freeLeases(clock.now());
    const secret = await store.mediaSecret();

    const wake = createWake(() => {
      mirroring.wake();
      endpoints.wake();
    });
    const onAccepted = () => {
      events++;
      wake();
    };
    const openMirrorOf = (config: Config) =>
      openMirroring({ config, store, ports, connectTimeout: CONNECT_TIMEOUT, onSettled: wake });
    const appOf = (config: Config, { targets, targetTrouble, spoolTrouble }: Mirroring) =>
      publicApp(
        {
          receive: receiveRoute({ store, config, ports, onAccepted }),
          media: mediaRoute({ store, targets, config: config.mirror, secret, log }),
          health: healthRoutes({ store, config, clock, targetTrouble, spoolTrouble }),
        },
        log,
      );

    let mirroring = await openMirrorOf(config);
    closers.push(() => mirroring.close());

    const { tls } = config.server;
    const socket = options.socket === undefined ? parseListen(config.server.listen)! : { fd: options.socket };
    listener = await listen(appOf(config, mirroring), { ...socket, tls }, clock);
    const { host, port, serve, renewTls } = listener;
    const origin = (host: string) => `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
    const publicUrl = () => config.server.publicUrl ?? origin(environment().hostname);

    const link = ({ key, target, sourceUrl }: Medium) => {
      if (key === null) return sourceUrl;
      const place = { ...config.mirror, publicUrl: publicUrl(), secret };
      return mediaLink(place, key, { isFormer: target !== mirroring.targets.presentId });
    };
    const userAgent = `wochit-relay/${pkg.version}`;
    const endpoints = createEndpointWorkers({ store, ports, link, userAgent, connectTimeout: CONNECT_TIMEOUT });

    if (!config.mirror.enabled) await store.skipMedia(clock.now());
    if (workers) {
      mirroring.start();
      endpoints.apply(config.endpoints);
    }
    const backupsOf = (config: Config) =>
      openBackups(workers ? config : { ...config, backup: null }, { store, targets: mirroring.targets, ports, self });
    let backups = backupsOf(config);
    closers.push(async () => {
      await Promise.all([mirroring.stop(JOB_GRACE), endpoints.stop(JOB_GRACE), backups.stop()]);
    });
    closers.push(await watch(store, wake, ports));
    wake();

    /** The mirror of another config, once the old one's jobs have ended; the old one goes on where that one cannot be opened. */
    async function replaceMirror(config: Config): Promise<Mirroring> {
      await mirroring.stop(JOB_GRACE);
      return openMirrorOf(config).catch((error) => {
        mirroring.start();
        throw error;
      });
    }

    async function reload(next: Config) {
      const { config: wanted, changed, needsRestart, mirrorWork } = compareConfigs(config, next);
      // What can fail comes first: then all of the old config holds.
      const pair = wanted.server.tls && readTls(wanted.server.tls);
      const former = mirroring;
      const opened = mirrorWork && workers ? await replaceMirror(wanted) : former;
      const app = appOf(wanted, opened);
      const newBackups = opened !== former || changed.some((part) => part === "backup" || part === "mirror");
      if (newBackups) await backups.stop();

      const wasMirroring = config.mirror.enabled;
      // Other bytes in the same files are a change too.
      if (pair && renewTls(pair) && !changed.includes("server")) changed.push("server.tls");
      config = wanted;
      mirroring = opened;
      store.configure(settingsOf(wanted));
      serve(app);
      if (newBackups) backups = backupsOf(wanted);
      if (workers) endpoints.apply(wanted.endpoints);
      // It is taken. What still fails now is trouble of its own.
      const tell = (what: string) => (error: unknown) => log.error(what, { error: errorLine(error) });
      if (opened !== former) {
        opened.start();
        await former.close().catch(tell("the former target was not closed"));
      }
      if (wasMirroring && !wanted.mirror.enabled) {
        log.warn("mirroring is switched off: what waits is skipped, `media retry` takes it up again");
        await store.skipMedia(clock.now()).catch(tell("media that are not wanted any longer still wait"));
      }
      wake();
      return { changed, needsRestart };
    }

    const url = origin(host) + config.receive.path;
    for (const warning of config.warnings) log.warn(warning);
    const asked = parseListen(config.server.listen)!.port;
    if (options.socket !== undefined && asked !== port && asked !== 0) {
      log.warn("server.listen is not what is listened on: the socket was handed over", { asked, port });
    }
    log.info("listening", {
      version: pkg.version,
      url: origin(host),
      receive: config.receive.path,
      publicUrl: publicUrl(),
      dataDir: config.dataDir,
      freed,
    });
    return {
      url,
      port,
      close,
      reload(next) {
        // One after the other: what one has not taken the next compares with.
        const turn = reloading.then(() => {
          if (closing) throw new RelayError("conflict", "the relay is stopping");
          return reload(next);
        });
        reloading = turn.catch(() => {});
        return turn;
      },
      async answers() {
        // In trouble it tries for long; that it knows of it is an answer.
        if (store.trouble() === null) await store.probe().catch(() => {});
        return true;
      },
      describe() {
        const troubles = [
          store.trouble() && `events cannot be committed: ${store.trouble()}`,
          mirroring.targetTrouble() && "the mirror target is down",
          mirroring.spoolTrouble() && "the spool cannot be used",
        ].filter((trouble) => trouble !== null && trouble !== "");
        const { length: apps } = config.endpoints;
        const doing = `Receiving on ${origin(host)}, ${apps} endpoint${apps === 1 ? "" : "s"}, ${events} events since the start`;
        return troubles.length === 0 ? doing : `${doing}; TROUBLE: ${troubles.join("; ")}`;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
