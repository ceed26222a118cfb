import { backupFolder } from "../backup/schedule.ts";
import type { Config } from "../config/schema.ts";
import type { Machine } from "../platform/machine.ts";
import type { Ports } from "../ports.ts";
import type { Inspected } from "../store/check-tables.ts";
import type { Store } from "../store/store.ts";
import { typeOf } from "../targets/table.ts";
import { configProbe, type Judged } from "./config.ts";
import { databaseProbe, type Verdict } from "./database.ts";
import { folderProbes } from "./files/data-folder.ts";
import { diskProbes } from "./files/disk.ts";
import { lookAtPlace } from "./files/place.ts";
import { readSandbox } from "./files/sandbox.ts";
import { filesProbes } from "./files/secrets.ts";
import { type JudgeWritable, writableJudge, writableProbe } from "./files/writable.ts";
import { listenerProbe } from "./network/certificate.ts";
import { clockProbe, type Dates } from "./network/clock.ts";
import { endpointProbes } from "./network/endpoints.ts";
import { relayProbe } from "./network/relay.ts";
import { type JudgeSender, type Request, senderProbe } from "./network/senders.ts";
import { AlreadySaid, type Probe, warning } from "./probe.ts";
import type { Stage } from "./run.ts";
import { type Former, formerProbe } from "./target/former.ts";
import { type TargetGiven, targetProbe } from "./target/target.ts";
import { workProbes } from "./work.ts";

/** As many names as the system's resolver looks up at once (nodejs.org/api/dns.html#implementation-considerations). */
const AT_ONCE = 4;

/** What the probes are made of. What operates on other parts of the program is handed over. */
export type Given = {
  judged: Judged & { raw: unknown; folder: string };
  /** Null: it cannot be told from this config what to look at. */
  config: Config | null;
  /** Whether the target's own secrets could be read. */
  hasKeys: boolean;
  ports: Ports;
  machine: Machine;
  userAgent: string;
  offline: boolean;
  request: Request | null;
  judgeSender: JudgeSender;
  openTarget: TargetGiven["open"];
  mark: string;
  inspect(path: string): Promise<Inspected>;
  isRunning(dataDir: string): Promise<boolean>;
  openStore(): Promise<Store>;
  listFormer(store: Store): Promise<Former[]>;
};

/** All probes, in the order in which they are told. */
export function stagesOf(given: Given): Stage[] {
  const { config, judged, machine, ports } = given;
  const { clock } = ports;
  const { platform, user } = machine;
  const place = config && lookAtPlace(config.dataDir, { clock, platform });
  const files = filesProbes({ ...judged, tlsKey: config?.server.tls?.key ?? null, place, platform });
  if (config === null || place === null) return [{ atOnce: AT_ONCE, probes: [configProbe(judged), ...files] }];

  const { server, mirror, backup } = config;
  const judge = writableJudge({ place, user, sandbox: readSandbox });
  const backupDir = backup && backupFolder(backup, config.dataDir);
  const mediaDir = typeOf(mirror.target).folderOf(mirror.target);
  const now = clock.now;
  const dates: Dates = [];
  const verdict: Verdict = { isUsable: false };
  let opened: Promise<Store> | null = null;
  const open = async () => {
    if (!verdict.isUsable) return null;
    if (opened !== null) return opened;
    const opening = given.openStore();
    // Whoever comes first says why.
    opened = opening.catch(() => {
      throw new AlreadySaid("the store cannot be opened");
    });
    opened.catch(() => {});
    return opening;
  };
  return [
    {
      atOnce: AT_ONCE,
      probes: [
        configProbe(judged),
        ...files,
        ...folderProbes({ place, platform, user, mediaDir }),
        ...diskProbes({
          place,
          ports,
          minFreeDisk: mirror.enabled ? mirror.minFreeDisk : null,
          folders: [
            ...(mediaDir === null ? [] : [{ what: "media", dir: mediaDir }]),
            ...(backupDir === null ? [] : [{ what: "backups", dir: backupDir }]),
          ],
        }),
        ...(backupDir === null
          ? []
          : [writableProbe("backup.folder", { dir: backupDir, option: "backup.dir" }, judge)]),
        ...(server.tls === null ? [] : [listenerProbe({ tls: server.tls, host: hostOf(server.publicUrl), now })]),
        senderProbe({ config, addresses: machine.addresses, judge: given.judgeSender, request: given.request }),
      ],
    },
    {
      atOnce: AT_ONCE,
      probes: [
        ...targetProbes(given, config, dates, judge),
        ...(given.offline
          ? []
          : endpointProbes(config.endpoints, { clock, userAgent: given.userAgent, resolve: machine.resolve, dates })),
      ],
    },
    // It compares what those before it were answered, and SQLite lets nothing else run while it reads.
    {
      atOnce: 1,
      probes: [
        ...(given.offline ? [] : [clockProbe(dates, clock)]),
        databaseProbe({ place, inspect: given.inspect, verdict }),
        relayProbe({ config, place, isRunning: given.isRunning, clock }),
        ...workProbes({ config, open, place, now }),
        ...(given.offline
          ? []
          : [
              formerProbe({
                clock,
                list: async () => {
                  const store = await open();
                  return store === null ? [] : given.listFormer(store);
                },
              }),
            ]),
      ],
    },
  ];
}

function targetProbes(given: Given, { mirror }: Config, dates: Dates, judge: JudgeWritable): Probe[] {
  const { machine, ports, openTarget: open, mark, offline, hasKeys } = given;
  const { target, enabled } = mirror;
  const { folderOf, secrets } = typeOf(target);
  if (!enabled || (offline && folderOf(target) === null)) return [];
  if (!hasKeys && Object.keys(secrets).length > 0) {
    const run = async () => warning("it was not tried: its keys cannot be read, as the lines of the config say");
    return [{ name: "target", patience: null, run }];
  }
  const { clock } = ports;
  const { tempDir, user } = machine;
  return [targetProbe({ target, open, mark, tempDir, user, judge, clock, dates })];
}

function hostOf(url: string | null): string | null {
  return url === null ? null : new URL(url).hostname.replace(/^\[|\]$/g, "");
}
