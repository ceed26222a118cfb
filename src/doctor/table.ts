import { existsSync } from "node:fs";
import { isLive } from "../actions/relay/relays.ts";
import { backupFolder } from "../backup/schedule.ts";
import type { Config } from "../config/schema.ts";
import { tokenFileOf } from "../config/secrets.ts";
import { receiverName } from "../model/alert.ts";
import { lookAtMachine } from "../platform/machine.ts";
import type { Ports } from "../ports.ts";
import type { Inspected } from "../store/postgres/relays/inspect.ts";
import type { Store } from "../store/store.ts";
import { openTarget, typeOf } from "../targets/table.ts";
import { judgeDeliveries } from "./backlog.ts";
import { judgeBackups } from "./backup.ts";
import { type Judged, judgeConfig } from "./config.ts";
import { isUsable, judgeDatabase } from "./database.ts";
import { readDataFolder } from "./files/data-folder.ts";
import { judgeDisks, judgeReserve, judgeSync } from "./files/disk.ts";
import { judgeFileSystem } from "./files/file-system.ts";
import { judgeOwnership } from "./files/ownership.ts";
import type { Account } from "./files/permissions.ts";
import { findSandbox } from "./files/read-only.ts";
import { judgeSecrets } from "./files/secrets.ts";
import { writableJudge } from "./files/writable.ts";
import { judgeMedia } from "./media.ts";
import { hostOf, judgeListener } from "./network/certificate.ts";
import { type Dates, judgeClock } from "./network/clock.ts";
import { judgeEndpoint } from "./network/endpoints.ts";
import { judgeAddress, judgeReceiver, judgeSent } from "./network/receivers.ts";
import { judgeRefused } from "./network/refused-requests.ts";
import { judgeRelay } from "./network/relay.ts";
import { judgeSenders, type Request } from "./network/senders.ts";
import { type Finding, failureOf, of, ok, type Probe, probe, warning } from "./probe.ts";
import { judgeRelays } from "./relays.ts";
import { judgeRetention } from "./retention.ts";
import type { Stage } from "./run.ts";
import { judgeServer } from "./server.ts";
import { judgeCopies, type LookedFor } from "./target/copies.ts";
import { type Former, judgeFormer } from "./target/former.ts";
import { judgeTarget } from "./target/target.ts";

/** The number of names that the system's resolver looks up at once (nodejs.org/api/dns.html#implementation-considerations). */
const AT_ONCE = 4;

/** Milliseconds for the reads of a probe of the store. */
const READ_TIMEOUT = 60_000;

/** Milliseconds for the check of the database. The limit takes effect between two tables: while SQLite reads one, nothing else runs. */
const CHECK_TIMEOUT = 30 * 60_000;

const DAY = 86_400_000;

export type Given = {
  judged: Judged;
  /** Null: it is too wrong to find out what else to examine. */
  config: Config | null;
  /** Whether the target's own secrets could be read. */
  hasKeys: boolean;
  ports: Ports;
  userAgent: string;
  /** Marks the files of doctors of this data folder. */
  mark: string;
  offline: boolean;
  request: Request | null;
  openStore(): Promise<Store>;
  /** Of a store that is on a server. */
  inspectServer(): Promise<Inspected>;
  /** Where the relay on a data folder listens, as it has noted; null: it has not. */
  readOrigin(dataDir: string): Promise<URL | null>;
  listFormer(store: Store): Promise<Former[]>;
  /** Looks for the newest copies. */
  lookForCopies(store: Store): Promise<LookedFor>;
};

/** All probes, in the order of the report. */
export async function stagesOf(given: Given): Promise<Stage[]> {
  const { config, judged, ports, offline, hasKeys, mark, userAgent } = given;
  const { clock } = ports;
  const { now } = clock;
  const { platform, user, tempDir, addresses, resolve } = lookAtMachine();
  const secrets = (others: string[], account: Account | null) =>
    platform !== "win32" && probe("files", () => judgeSecrets(judged, others, account));
  const first = probe("config", () => judgeConfig(judged));
  if (config === null) return [stage(AT_ONCE, first, secrets([], null))];
  const { server, mirror, backup, endpoints, alerts } = config;
  const { archive } = config.retention;
  const { tls, publicUrl } = server;
  const { target } = mirror;
  const { data, finding } = await readDataFolder(config.dataDir, { clock, platform, user });
  const hasFolder = data?.folder != null;
  const judge = writableJudge({ data, user, sandbox: findSandbox });
  const { folderOf, secrets: targetSecrets } = typeOf(target);
  const media = folderOf(target);
  const backups = backup && backupFolder(backup, config.dataDir);
  const minFreeDisk = mirror.enabled ? mirror.minFreeDisk : null;
  const dates: Dates = [];
  const sqlite = () => import("../store/sqlite/files/inspect.ts");

  let isRunning = false;
  /** Null: the probe of the database says why it cannot be opened. */
  let store: Store | null = null;
  const reading = (name: string, look: (store: Store) => Promise<Finding | Finding[]>): Probe =>
    probe(name, () => (store === null ? [] : look(store)), READ_TIMEOUT);

  function tryTarget(): Probe {
    if (!hasKeys && Object.keys(targetSecrets).length > 0) {
      return probe("target", () => warning("it was not tried: its keys cannot be read, see the lines of the config"));
    }
    const open = (one: typeof target) => openTarget(one, { access: "shared", clock });
    const ways = { target, open, mark, tempDir, user, judge, clock, dates };
    return probe("target", (_, progress) => judgeTarget(ways, progress), null);
  }

  return [
    stage(
      AT_ONCE,
      first,
      secrets([...(tls === null ? [] : [tls.key]), ...ownToken(config)], data?.account ?? null),
      probe("data.folder", () => finding),
      hasFolder && probe("data.files", () => judgeOwnership(data, media)),
      hasFolder && platform === "linux" && probe("data.disk", () => judgeFileSystem(data.path)),
      data !== null &&
        probe("disk.space", () =>
          judgeDisks({ data: data.path, media, backups }, { minFreeDisk, database: data.database?.bytes ?? 0 }),
        ),
      hasFolder && probe("disk.sync", (signal) => judgeSync(data.path, clock, signal)),
      data?.database != null && probe("disk.reserve", () => judgeReserve(data.path)),
      archive !== null &&
        archive !== "target" &&
        probe("archive.folder", () => judge({ dir: archive.dir, option: "retention.archive.dir" })),
      backups !== null && probe("backup.folder", () => judge({ dir: backups, option: "backup.dir" })),
      tls !== null && probe("listener.certificate", () => judgeListener(tls, publicUrl && hostOf(publicUrl), now())),
      probe("senders", () => judgeSenders(config, addresses, given.request)),
    ),
    stage(
      AT_ONCE,
      mirror.enabled && !(offline && media === null) && tryTarget(),
      !offline &&
        endpoints.map((one, at) => {
          const ways = { clock, userAgent, resolve, dates };
          const run: Probe["run"] = (_, progress) => judgeEndpoint(one, `endpoints[${at}]`, ways, progress);
          return probe(`endpoint.${one.id}`, run, null);
        }),
      !offline && receiversOf(alerts, clock),
    ),
    // The clock is compared with the answers to those before it. SQLite lets nothing else run while it reads.
    stage(
      1,
      !offline && probe("clock", () => judgeClock(dates, now())),
      data !== null && [
        config.store !== null
          ? probe("database", async () => {
              const found = await given.inspectServer();
              const findings = judgeServer(found);
              if (found.schema !== found.newest) return findings;
              store = await given.openStore();
              return findings;
            })
          : probe(
              "database",
              async (signal, progress) => {
                const inspect = async (path: string) => (await sqlite()).inspectDatabase(path);
                const findings = await judgeDatabase(data, inspect, signal, progress);
                if (!isUsable(findings)) return findings;
                store = await given.openStore().catch((error) => {
                  findings.push(of("file", failureOf(error)));
                  return null;
                });
                return findings;
              },
              CHECK_TIMEOUT,
            ),
        probe(
          "relay",
          async () => {
            const isHere = hasFolder && (await sqlite()).isRelayRunning(data.path);
            const all = await (store as Store | null)?.relays();
            const live = (all ?? []).filter((one) => isLive(one, now()));
            isRunning = isHere || live.length > 0;
            if (!isHere && isRunning)
              return ok(`none is running with ${data.path}, ${live.length} with the same database`);
            const noted = isHere ? await given.readOrigin(data.path) : null;
            return judgeRelay(config, { dataDir: data.path, isRunning: isHere, noted }, clock);
          },
          null,
        ),
        reading("deliveries", (store) => judgeDeliveries(store, config, { isRunning, now: now() })),
        reading("senders", (store) => judgeRefused(store, { since: now() - DAY, now: now() })),
        reading("media", (store) => judgeMedia(store, now())),
        ...(hasKeys && !(offline && media === null)
          ? [reading("media.copies", async (store) => judgeCopies(await given.lookForCopies(store)))]
          : []),
        reading("database", (store) => judgeRetention(store, config, now())),
        reading("alerts", (store) => judgeSent(store, now())),
        ...(config.store === null
          ? [reading("backup", (store) => judgeBackups(store, config, data, now()))]
          : [reading("relays", async (store) => judgeRelays(await store.relays(), now()))]),
      ],
      !offline && reading("formerTargets", async (store) => judgeFormer(await given.listFormer(store), clock)),
    ),
  ];
}

/** Each of its addresses can be reached. */
function receiversOf(alerts: Config["alerts"], clock: Ports["clock"]): Probe[] {
  const { to = [], heartbeat = null } = alerts ?? {};
  const receivers = to.map((one, at) =>
    probe(`alerts.${receiverName(one)}`, () => judgeReceiver(one, `alerts.to[${at}]`, clock), null),
  );
  if (heartbeat === null) return receivers;
  const beat = () => judgeAddress(heartbeat.url, "alerts.heartbeat.url", clock, "doctor itself sends no heartbeat");
  return [...receivers, probe("alerts.heartbeat", beat, null)];
}

/** The file of the admin token that the relay has made, where there is one. */
function ownToken({ admin, dataDir }: Config): string[] {
  const path = tokenFileOf(dataDir);
  return admin?.token === null && existsSync(path) ? [path] : [];
}

function stage(atOnce: number, ...probes: (Probe | Probe[] | false)[]): Stage {
  return { atOnce, probes: probes.flat().filter((probe) => probe !== false) };
}
