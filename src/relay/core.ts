import pkg from "../../package.json" with { type: "json" };
import { type Command, openBackups } from "../backup/open.ts";
import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import { createWake } from "../jobs/wake.ts";
import { mediaLink } from "../links/durable-link.ts";
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
import type { Changes } from "./changes.ts";
import { createEndpointWorkers } from "./endpoints.ts";
import { healthRoutes } from "./health.ts";
import { type Mirroring, openMirroring } from "./mirroring.ts";
import { type Door, openDoor } from "./public-app.ts";

/** Connecting to a media host or an endpoint takes no longer than this. */
const CONNECT_TIMEOUT = 10_000;

/** At a stop, for jobs; with the time for answers well below the ten seconds that are promised. */
const JOB_GRACE = 4_000;

/** All that works on the store: what the public listener answers, and the work on media and deliveries. */
export type Core = {
  door: Door;
  /** Leases of an earlier process that were freed. */
  freed: number;
  /** Begins the work. Before it, events are taken and kept. */
  start(): Promise<void>;
  /**
   * Takes another config. What can fail comes first: then all of the old config holds, and it throws. `onTaken` is called
   * when nothing can fail any longer, with what to serve from now on.
   */
  reload(change: Pick<Changes, "config" | "changed" | "mirrorWork">, onTaken: (door: Door) => void): Promise<void>;
  /** Resolves once the store has answered, with success or with its trouble. */
  answers(): Promise<void>;
  /** What is wrong, in a few words each. */
  troubles(): string[];
  /** Events since it was opened. */
  events(): number;
  /**
   * Takes nothing new, lets running work finish or leaves it to its lease, closes the store. `isLost`: the store is; nothing
   * can be settled, and no work is waited for.
   */
  close(how?: { isLost: boolean }): Promise<void>;
};

export type CoreOptions = {
  ports: Omit<Ports, "clock"> & { clock: SteadyClock };
  /** False: it receives and stores, but downloads and delivers nothing. */
  workers: boolean;
  /** How the program is started again. */
  self: Command;
  /** The database is checked now and then, by a process of its own. */
  checks: boolean;
  /** How apps reach the public listener, as far as it listens. */
  publicUrl(): string;
  /** The store has lost a file that it can be opened anew without; until then nothing is taken. */
  onLost(): void;
};

/** Opens the store and what works on it. What was opened is closed in reverse, also when a later step fails. */
export async function openCore(given: Config, options: CoreOptions): Promise<Core> {
  const { ports, workers, self, publicUrl } = options;
  const { clock, log } = ports;
  let config = given;
  let events = 0;
  const closers: (() => Promise<void> | void)[] = [];
  let grace = JOB_GRACE;
  const close = async ({ isLost } = { isLost: false }) => {
    if (isLost) grace = 0;
    for (const closer of closers.splice(0).reverse()) {
      try {
        await closer();
      } catch (error) {
        // What comes after it, the folder's lock among it, is given up all the same.
        log.error("a part was not closed", { error: errorLine(error) });
      }
    }
  };
  try {
    const store = await openStore(config, ports, { role: "relay", onLost: options.onLost });
    closers.push(() => store.close());
    const freed = await store.freeLeases(clock.now());
    const secret = await store.mediaSecret();

    let integrity: Integrity | null = null;
    const damage = () => integrity?.damage() ?? store.damage();

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
    const doorOf = (config: Config, { targets, targetTrouble, spoolTrouble }: Mirroring) =>
      openDoor(
        {
          receive: openReceive({ store, config, ports, onAccepted }),
          media: mediaRoute({ store, targets, config: config.mirror, secret, log }),
          health: healthRoutes({ store, config, clock, targetTrouble, spoolTrouble, damage }),
        },
        log,
      );

    let mirroring = await openMirrorOf(config);
    closers.push(() => mirroring.close());

    const link = ({ key, target, sourceUrl }: Medium) => {
      if (key === null) return sourceUrl;
      const place = { ...config.mirror, publicUrl: publicUrl(), secret };
      return mediaLink(place, key, { isFormer: target !== mirroring.targets.presentId });
    };
    const userAgent = `wochit-relay/${pkg.version}`;
    const endpoints = createEndpointWorkers({ store, ports, link, userAgent, connectTimeout: CONNECT_TIMEOUT });
    const backupsOf = (config: Config) =>
      openBackups(workers ? config : { ...config, backup: null }, {
        store,
        mirrorTarget: mirroring.targets.present,
        ports,
        self,
      });
    let backups: ReturnType<typeof openBackups> | null = null;

    /** The mirror of another config, once the old one's jobs have ended; the old one goes on where that one cannot be opened. */
    async function replaceMirror(config: Config): Promise<Mirroring> {
      await mirroring.stop(JOB_GRACE);
      return openMirrorOf(config).catch((error) => {
        mirroring.start();
        throw error;
      });
    }

    return {
      door: doorOf(config, mirroring),
      freed,

      async start() {
        if (!config.mirror.enabled) await store.skipMedia(clock.now());
        if (workers) {
          mirroring.start();
          endpoints.apply(config.endpoints);
        }
        backups = backupsOf(config);
        const database = databaseOf(config.dataDir);
        if (options.checks)
          integrity = startIntegrityChecks({ store, database, ports, check: checkProcess(database, self) });
        closers.push(async () => {
          await Promise.all([mirroring.stop(grace), endpoints.stop(grace), backups?.stop(), integrity?.stop()]);
        });
        closers.push(await watch(store, wake, { clock, log }));
        wake();
      },

      async reload({ config: wanted, changed, mirrorWork }, onTaken) {
        const former = mirroring;
        const opened = mirrorWork && workers ? await replaceMirror(wanted) : former;
        const door = doorOf(wanted, opened);
        const newBackups = opened !== former || changed.some((part) => part === "backup" || part === "mirror");
        if (newBackups) await backups?.stop();

        const wasMirroring = config.mirror.enabled;
        config = wanted;
        mirroring = opened;
        store.configure(settingsOf(wanted));
        onTaken(door);
        if (newBackups) backups = backupsOf(wanted);
        if (workers) endpoints.apply(wanted.endpoints);
        // It is taken. What still fails now is trouble of its own.
        const tell = (what: string) => (error: unknown) => log.error(what, { error: errorLine(error) });
        if (opened !== former) {
          opened.start();
          await former.close().catch(tell("the former target was not closed"));
        }
        if (wasMirroring && !wanted.mirror.enabled) {
          log.warn("mirroring is switched off: what waits is skipped until it is on again");
          await store.skipMedia(clock.now()).catch(tell("media that are not wanted any longer still wait"));
        }
        wake();
      },

      async answers() {
        // In trouble it tries for long; that it knows of it is an answer.
        if (store.trouble() === null) await store.probe().catch(() => {});
      },

      troubles: () =>
        [
          store.trouble() && `events cannot be committed: ${store.trouble()}`,
          damage() && "the database is damaged, see the log",
          mirroring.targetTrouble() && "the mirror target is down",
          mirroring.spoolTrouble() && "the spool cannot be used",
        ].filter((trouble): trouble is string => trouble !== null && trouble !== ""),

      events: () => events,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
