import pkg from "../package.json" with { type: "json" };
import { createFeedWaits } from "./actions/feed/waits.ts";
import type { StorePlace } from "./admin/operation.ts";
import { type Alerts, alertsPart } from "./alerts/open.ts";
import { tryReceivers } from "./alerts/try.ts";
import { openBackups } from "./backup/open.ts";
import type { Config } from "./config/schema.ts";
import { errorLine } from "./errors.ts";
import { tryEndpoint } from "./forward/try-endpoint.ts";
import { startTasks } from "./jobs/tasks.ts";
import { createWake } from "./jobs/wake.ts";
import { type OpenMetrics, openMetrics } from "./metrics/open.ts";
import { createReadings } from "./metrics/readings.ts";
import { metricsRoutes } from "./metrics/route.ts";
import { type Mirror, openMirror } from "./mirror/open.ts";
import { mediaRoute } from "./mirror/serve/route.ts";
import { CONNECT_TIMEOUT } from "./platform/net/outbound.ts";
import { runtimeName } from "./platform/runtime.ts";
import type { Ports } from "./ports.ts";
import { createAcceptKept, decodeKept, type Workers } from "./receive/accept.ts";
import { openReceive } from "./receive/route.ts";
import { createEndpointWorkers } from "./relay/endpoints.ts";
import { healthRoutes } from "./relay/health.ts";
import { openLinks } from "./relay/links.ts";
import { noteOf } from "./relay/note.ts";
import { openRelayStore } from "./relay/open-store.ts";
import { openParts } from "./relay/parts.ts";
import { startPruning } from "./relay/pruning.ts";
import { type Door, openDoor } from "./relay/public-app.ts";
import { createRuns } from "./relay/runs.ts";
import { type Pipeline, type PipelineOptions, type Relay, type RelayOptions, supervise } from "./relay/supervise.ts";
import { settingsOf } from "./store/settings.ts";
import { checkProcess, type Integrity, startIntegrityChecks } from "./upkeep/integrity.ts";
import { type RelayNotes, startRelayNotes } from "./upkeep/relays.ts";
import { startTitles } from "./upkeep/titles.ts";
import { skipMedia, watch } from "./upkeep/watch.ts";

export type { Relay, RelayOptions };

/** At a stop, for jobs, in milliseconds; with the time for answers well below the ten seconds that are promised. */
const JOB_GRACE = 4_000;

/**
 * Opens the relay: its pipeline, and the listener in front of it. On a disk that is read-only, full or broken it stands by:
 * it listens, answers 503, and the pipeline opens once the store can be opened.
 */
export function openRelay(config: Config, ports: Ports, options: RelayOptions = {}): Promise<Relay> {
  const metrics = openMetrics({ version: pkg.version, runtime: runtimeName() });
  return supervise(
    config,
    { ...ports, metrics: metrics.port },
    {
      ...options,
      openPipeline: (config, given) => openPipeline(config, { ...given, metrics }),
      adminPages: metricsRoutes(metrics),
    },
  );
}

/** The parts that a new config replaces. */
type Parts = {
  /** Link → spool → target. */
  mirror: Mirror;
  /** What the public listener answers: webhooks, media, health. */
  door: Door;
  /** Copies of the database on a schedule. */
  backups: { start(): void; stop(): Promise<void> };
  /** Tells what needs a person. */
  alerts: Alerts;
};

/**
 * The picture, from left to right: the store; what receives into it; the mirror and the endpoints' workers, which work on
 * it; the upkeep. What was opened is closed in reverse, also when a later step fails.
 */
async function openPipeline(given: Config, options: PipelineOptions & { metrics: OpenMetrics }): Promise<Pipeline> {
  const { workers, self, publicUrl, adminTroubles, metrics } = options;
  const { log } = options.ports;
  let config = given;
  let events = 0;
  let grace = JOB_GRACE;
  const closers: (() => unknown)[] = [];

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
    const { store, ports, database } = await openRelayStore(config, options);
    closers.push(() => store.close());
    const { clock } = ports;
    const openedAt = clock.now();
    const freed = await store.freeLeases(openedAt);
    const links = await openLinks(store, ports, () => {
      return { ...config.mirror, publicUrl: publicUrl(), presentTarget: parts.now.mirror.targets.presentId };
    });

    /** Something was committed that may be worked on now. */
    const wake = createWake(() => {
      parts.now.mirror.wake();
      endpoints.wake();
      tasks?.wake();
    });
    const feedWaits = createFeedWaits(clock);
    const accepting: Workers = {
      hold: () => endpoints.hold(),
      wake(fed) {
        events++;
        feedWaits.wake();
        if (fed.media.length > 0) parts.now.mirror.wake(fed.media);
        endpoints.wake(fed.endpoints ?? undefined);
      },
    };
    let tasks: ReturnType<typeof startTasks> | null = null;
    let integrity: Integrity | null = null;
    let pruning: ReturnType<typeof startPruning> | null = null;
    let titles: ReturnType<typeof startTitles> | null = null;
    let others: RelayNotes | null = null;
    const damage = () => integrity?.damage() ?? store.damage();
    const othersTrouble = () => others?.trouble() ?? null;

    const userAgent = `wochit-relay/${pkg.version}`;
    const parts = await openParts<Parts>(
      {
        mirror: {
          // Links are made where they are sent or asked for.
          options: ({ mirror: { links, publicBaseUrl, ...work } }) => work,
          open: (config) => openMirror({ config, store, ports, connectTimeout: CONNECT_TIMEOUT, onSettled: wake }),
          // Two mirrors must not work in one spool.
          isExclusive: true,
          start: (mirror) => mirror.start(),
          stop: (mirror, grace) => mirror.stop(grace),
          close: (mirror) => mirror.close(),
        },
        door: {
          options: (config) => config,
          with: ["mirror"],
          open: (config, { mirror: { copies, targetTrouble, spoolTrouble } }) =>
            openDoor(
              {
                receive: openReceive({ store, config, ports, workers: accepting }),
                media: mediaRoute({ store, copies, config: config.mirror, secrets: links.secrets }),
                health: healthRoutes({
                  store,
                  config,
                  clock,
                  targetTrouble,
                  spoolTrouble,
                  damage,
                  adminTroubles,
                  othersTrouble,
                }),
              },
              log,
            ),
        },
        backups: {
          options: ({ backup, mirror }) => ({ backup, mirror }),
          with: ["mirror"],
          open: (config, { mirror }) => {
            let running: ReturnType<typeof openBackups> | null = null;
            return {
              start() {
                running = openBackups(config, { store, mirrorTarget: mirror.targets.present, ports, self });
              },
              stop: async () => running?.stop(),
            };
          },
          start: (backups) => backups.start(),
          stop: (backups) => backups.stop(),
        },
        alerts: alertsPart({
          ...{ store, ports, config: () => config, relay: publicUrl, userAgent },
          targetTrouble: (): string | null => parts.now.mirror.targetTrouble(),
        }),
      },
      config,
      log,
    );
    closers.push(() => parts.close());

    const endpoints = createEndpointWorkers({
      store,
      ports,
      link: links.of,
      userAgent,
      connectTimeout: CONNECT_TIMEOUT,
    });

    /** The metrics are of the config that holds now. */
    const measure = (): void => {
      metrics.setEndpoints(config.endpoints.map(({ id }) => id));
      const targetTrouble = () => parts.now.mirror.targetTrouble();
      metrics.readFrom(createReadings({ store, config, database, clock, targetTrouble }));
    };
    closers.push(() => metrics.readFrom(null));

    const place: StorePlace = {
      store,
      ports,
      get config() {
        return config;
      },
      openLink: links.open,
      tryEndpoint: (endpoint) => tryEndpoint(endpoint, ports, { userAgent, connectTimeout: CONNECT_TIMEOUT }),
      tryReceivers: (alerts) => tryReceivers(alerts, ports, { userAgent, relay: publicUrl() }),
      targetTrouble: () => parts.now.mirror.targetTrouble(),
      refreshLinks: links.secrets.refresh,
      wake,
      feedWaits,
      acceptKept: createAcceptKept({ store, workers: accepting }),
      copies: () => parts.now.mirror.copies,
    };

    /** For commands, which make the same links. Best effort: without it they use the config. */
    const notePublicUrl = () => void store.notePublicUrl(publicUrl()).catch(() => {});

    return {
      door: () => parts.now.door,
      place,
      freed,

      async start() {
        measure();
        others = await startRelayNotes(store, ports, { note: () => noteOf(config, openedAt), wake });
        closers.push(others.stop);
        if (!config.mirror.enabled) await skipMedia(store, clock);
        if (workers) {
          parts.start();
          endpoints.apply(config.endpoints);
          const mirror = () => parts.now.mirror;
          const runs = createRuns({ store, config: () => config, mirror, ports, self });
          tasks = startTasks({ store, ports, decode: decodeKept, runs }, wake);
          titles = startTitles({ store, clock });
          pruning = startPruning({ store, ports, config: () => config, targets: () => mirror().targets });
        }
        if (options.checks && database !== null) {
          integrity = startIntegrityChecks({ store, database, ports, check: checkProcess(database, self) });
        }
        closers.push(() =>
          Promise.all([
            parts.stop(grace),
            endpoints.stop(grace),
            tasks?.stop(),
            integrity?.stop(),
            pruning?.stop(),
            titles?.stop(),
          ]),
        );
        closers.push(await watch(store, links.noticing(wake), { clock, log }));
        notePublicUrl();
        wake();
      },

      async reload(wanted, onTaken) {
        const wasMirroring = config.mirror.enabled;
        await parts.replace(wanted, JOB_GRACE, () => {
          config = wanted;
          store.configure(settingsOf(wanted));
          measure();
          onTaken();
          if (workers) endpoints.apply(wanted.endpoints);
        });
        if (wasMirroring && !wanted.mirror.enabled) {
          log.warn("mirroring is off: media that wait are skipped until it is on again");
          await skipMedia(store, clock).catch((error) => {
            log.error("media could not be skipped; the next start skips them", { error: errorLine(error) });
          });
        }
        notePublicUrl();
        wake();
      },

      troubles: () =>
        [
          store.trouble() && `events cannot be committed: ${store.trouble()}`,
          damage() && "the database is damaged, see the log",
          parts.now.mirror.targetTrouble() && "the mirror target is down",
          parts.now.mirror.spoolTrouble() && "the spool cannot be used",
          othersTrouble(),
        ].filter((trouble): trouble is string => trouble !== null && trouble !== ""),

      targetTrouble: () => parts.now.mirror.targetTrouble(),
      events: () => events,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
