import { isDeepStrictEqual } from "node:util";
import pkg from "../../package.json" with { type: "json" };
import { type Backups, type Command, openBackups } from "../backup/open.ts";
import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import { createWake } from "../jobs/wake.ts";
import { mediaLink } from "../links/durable-link.ts";
import { type Mirror, openMirror } from "../mirror/open.ts";
import { mediaRoute } from "../mirror/serve/route.ts";
import type { Medium } from "../model/medium.ts";
import type { Ports } from "../ports.ts";
import { openReceive } from "../receive/route.ts";
import { databaseOf } from "../store/backup.ts";
import { openStore } from "../store/open.ts";
import { settingsOf } from "../store/settings.ts";
import { checkProcess, type Integrity, startIntegrityChecks } from "../upkeep/integrity.ts";
import type { SteadyClock } from "../upkeep/steady-clock.ts";
import { watch } from "../upkeep/watch.ts";
import { createEndpointWorkers } from "./endpoints.ts";
import { healthRoutes } from "./health.ts";
import { openDoor } from "./public-app.ts";

/** Timeout for a connection to a media host or an endpoint, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/** At a stop, for jobs, in milliseconds; with the time for answers well below the ten seconds that are promised. */
const JOB_GRACE = 4_000;

/** Everything that works on the store: the answers of the public listener, and the work on media and deliveries. */
export type Pipeline = Awaited<ReturnType<typeof openPipeline>>;

export type PipelineOptions = {
  ports: Omit<Ports, "clock"> & { clock: SteadyClock };
  /** False: it receives and stores, but downloads and delivers nothing. */
  workers: boolean;
  /** How to start this program again. */
  self: Command;
  /** The database is checked once a day in a process of its own. */
  checks: boolean;
  /** How apps reach the public listener; valid once it listens. */
  publicUrl(): string;
  /** The store lost a file. It has to be closed and opened again; until then it refuses events. */
  onLost(): void;
};

/**
 * The picture, from left to right: the store; what receives into it; the mirror and the endpoints' workers, which work on
 * it; the upkeep. What was opened is closed in reverse, also when a later step fails.
 */
export async function openPipeline(given: Config, options: PipelineOptions) {
  const { ports, workers, self, publicUrl } = options;
  const { clock, log } = ports;
  let config = given;
  let events = 0;
  let grace = JOB_GRACE;
  const closers: (() => unknown)[] = [];

  /**
   * Accepts nothing new, lets running work finish or leaves it to its lease, closes the store. `isLost`: the store is lost, so
   * nothing can be settled, and no work is waited for.
   */
  async function close({ isLost } = { isLost: false }): Promise<void> {
    if (isLost) grace = 0;
    for (const closer of closers.splice(0).reverse()) {
      try {
        await closer();
      } catch (error) {
        // The others, the lock of the data folder among them, are closed nevertheless.
        log.error("a part was not closed", { error: errorLine(error) });
      }
    }
  }

  try {
    const store = await openStore(config, ports, { role: "relay", onLost: options.onLost });
    closers.push(() => store.close());
    const freed = await store.freeLeases(clock.now());
    const secret = await store.mediaSecret();

    /** Something was committed that may be worked on now. */
    const wake = createWake(() => {
      mirror.wake();
      endpoints.wake();
    });
    const onAccepted = () => {
      events++;
      wake();
    };
    let integrity: Integrity | null = null;
    const damage = () => integrity?.damage() ?? store.damage();

    const openMirrorOf = (config: Config) =>
      openMirror({ config, store, ports, connectTimeout: CONNECT_TIMEOUT, onSettled: wake });
    const openDoorOf = (config: Config, { targets, targetTrouble, spoolTrouble }: Mirror) =>
      openDoor(
        {
          receive: openReceive({ store, config, ports, onAccepted }),
          media: mediaRoute({ store, targets, config: config.mirror, secret, log }),
          health: healthRoutes({ store, config, clock, targetTrouble, spoolTrouble, damage }),
        },
        log,
      );
    const ended = (work: Promise<void> | undefined) =>
      work?.catch((error) => log.error("a part did not end", { error: errorLine(error) }));
    const startBackups = () => openBackups(config, { store, mirrorTarget: mirror.targets.present, ports, self });

    /** Link → spool → target. */
    let mirror = await openMirrorOf(config);
    closers.push(() => mirror.close());
    /** What the public listener answers: webhooks, media, health. */
    let door = openDoorOf(config, mirror);
    /** Copies of the database on a schedule. */
    let backups: Backups | null = null;

    const link = ({ key, target, sourceUrl }: Medium) => {
      if (key === null) return sourceUrl;
      const presentTarget = mirror.targets.presentId;
      return mediaLink({ ...config.mirror, publicUrl: publicUrl(), secret, presentTarget }, { target, key });
    };
    const userAgent = `wochit-relay/${pkg.version}`;
    const endpoints = createEndpointWorkers({ store, ports, link, userAgent, connectTimeout: CONNECT_TIMEOUT });

    /** For commands, which make the same links. Best effort: without it they use the config. */
    const notePublicUrl = () => void store.notePublicUrl(publicUrl()).catch(() => {});

    return {
      /** The app to serve now. */
      door: () => door,
      /** Number of leases of an earlier process that were freed. */
      freed,

      /** Starts the workers. Before it, events are accepted and stored. */
      async start() {
        if (!config.mirror.enabled) await store.skipMedia(clock.now());
        if (workers) {
          mirror.start();
          backups = startBackups();
          endpoints.apply(config.endpoints);
        }
        const database = databaseOf(config.dataDir);
        if (options.checks) {
          integrity = startIntegrityChecks({ store, database, ports, check: checkProcess(database, self) });
        }
        closers.push(() =>
          Promise.all([mirror.stop(grace), backups?.stop(), endpoints.stop(grace), integrity?.stop()]),
        );
        closers.push(await watch(store, wake, { clock, log }));
        notePublicUrl();
        wake();
      },

      /**
       * Applies another config. What can fail comes first: then it throws, and the old config holds. `onTaken` is called when
       * nothing can fail any longer.
       */
      async reload(wanted: Config, onTaken: () => void) {
        const former = { config, mirror };
        const isSame = (options: (config: Config) => unknown) => isDeepStrictEqual(options(config), options(wanted));
        // Links are made where they are sent or asked for.
        const renewsMirror = !isSame(({ mirror: { links, publicBaseUrl, ...work } }) => work);
        const renewsBackups = !isSame(({ backup, mirror }) => ({ backup, mirror }));
        // Two mirrors must not work in one spool.
        if (renewsMirror) await ended(former.mirror.stop(JOB_GRACE));
        try {
          if (renewsMirror) mirror = await openMirrorOf(wanted);
          door = openDoorOf(wanted, mirror);
        } catch (error) {
          if (mirror !== former.mirror) await ended(mirror.close());
          mirror = former.mirror;
          if (renewsMirror && workers) mirror.start();
          throw error;
        }
        if (renewsBackups) await ended(backups?.stop());
        config = wanted;
        try {
          store.configure(settingsOf(wanted));
          onTaken();
          if (workers) endpoints.apply(wanted.endpoints);
        } finally {
          if (renewsMirror && workers) mirror.start();
          if (renewsBackups && workers) backups = startBackups();
          if (renewsMirror) await ended(former.mirror.close());
        }
        if (former.config.mirror.enabled && !wanted.mirror.enabled) {
          log.warn("mirroring is off: media that wait are skipped until it is on again");
          await store.skipMedia(clock.now()).catch((error) => {
            log.error("media could not be skipped; the next start skips them", { error: errorLine(error) });
          });
        }
        notePublicUrl();
        wake();
      },

      /** Resolves once the store has answered, with success or with its error. */
      async answers() {
        // A store in trouble retries for long; the trouble itself is an answer.
        if (store.trouble() === null) await store.probe().catch(() => {});
      },

      /** What is wrong, in a few words each. */
      troubles: () =>
        [
          store.trouble() && `events cannot be committed: ${store.trouble()}`,
          damage() && "the database is damaged, see the log",
          mirror.targetTrouble() && "the mirror target is down",
          mirror.spoolTrouble() && "the spool cannot be used",
        ].filter((trouble): trouble is string => trouble !== null && trouble !== ""),

      /** Events since it was opened. */
      events: () => events,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
