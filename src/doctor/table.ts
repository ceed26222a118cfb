import { backupFolder } from "../backup/schedule.ts";
import type { Config } from "../config/schema.ts";
import { lookAtMachine } from "../platform/machine.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { openTarget } from "../targets/table.ts";
import { judgeDeadline, judgeDeliveries } from "./backlog.ts";
import { judgeBackups } from "./backup.ts";
import { configProbe, type Judged } from "./config.ts";
import { databaseProbe, type Verdict } from "./database.ts";
import { readDataFolder } from "./files/data-folder.ts";
import { diskProbes } from "./files/disk.ts";
import { fileSystemProbe } from "./files/file-system.ts";
import { readSandbox } from "./files/mounts.ts";
import { ownershipProbe } from "./files/ownership.ts";
import type { Account } from "./files/permissions.ts";
import { secretsProbe } from "./files/secrets.ts";
import { writableJudge } from "./files/writable.ts";
import { listenerProbe } from "./network/certificate.ts";
import { clockProbe, type Dates } from "./network/clock.ts";
import { endpointProbe, hostOf } from "./network/endpoints.ts";
import { judgeRefused } from "./network/refused-requests.ts";
import { relayProbe } from "./network/relay.ts";
import { type Request, senderProbe } from "./network/senders.ts";
import { type Finding, of, type Probe, warning } from "./probe.ts";
import type { Stage } from "./run.ts";
import { type Former, formerProbe } from "./target/former.ts";
import { targetProbe } from "./target/target.ts";

/** The number of names that the system's resolver looks up at once (nodejs.org/api/dns.html#implementation-considerations). */
const AT_ONCE = 4;

/** Milliseconds for the reads of a probe of the store. */
const READS = 60_000;

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
  listFormer(store: Store): Promise<Former[]>;
};

/** All probes, in the order of the report. */
export async function stagesOf(given: Given): Promise<Stage[]> {
  const { config, judged, ports, offline, hasKeys, mark, userAgent } = given;
  const { clock } = ports;
  const { now } = clock;
  const machine = lookAtMachine();
  const { platform, user, tempDir, resolve } = machine;
  const secrets = (tlsKey: string | null, account: Account | null) =>
    platform !== "win32" && secretsProbe({ path: judged.path, tlsKey, account });
  if (config === null) return [stage(AT_ONCE, configProbe(judged), secrets(null, null))];
  const { server, mirror, backup, endpoints } = config;
  const { tls, publicUrl } = server;
  const { target } = mirror;
  const { data, finding } = await readDataFolder(config.dataDir, { clock, platform, user });
  const judge = writableJudge({ data, user, sandbox: readSandbox });
  const mediaDir = target.type === "local" ? target.dir : null;
  const backupDir = backup && backupFolder(backup, config.dataDir);
  const dates: Dates = [];
  const verdict: Verdict = { isUsable: false };
  const sqlite = () => import("../store/sqlite/files/inspect.ts");

  let opening: Promise<Store> | null = null;
  /** Null: another probe says why it cannot be opened. */
  async function openStore(): Promise<Store | null> {
    if (!verdict.isUsable) return null;
    if (opening !== null) return opening.catch(() => null);
    opening = given.openStore();
    return opening;
  }
  const reading = (name: string, look: (store: Store) => Promise<Finding | Finding[]>): Probe => ({
    name,
    patience: READS,
    async run() {
      const store = await openStore();
      return store === null ? [] : look(store);
    },
  });

  async function tryTarget(): Promise<Probe> {
    if (!hasKeys && target.type === "s3") {
      const finding = warning("it was not tried: its keys cannot be read, as the lines of the config say");
      return { name: "target", run: async () => finding };
    }
    const partSize = target.type === "s3" ? (await import("../targets/s3/upload.ts")).PART_SIZE : 0;
    const open = (one: typeof target) => openTarget(one, { access: "shared", clock });
    return targetProbe({ target, open, partSize, mark, tempDir, user, judge, clock, dates });
  }

  return [
    stage(
      AT_ONCE,
      configProbe(judged),
      secrets(tls?.key ?? null, data?.account ?? null),
      { name: "data.folder", run: async () => finding },
      data?.folder != null && ownershipProbe(data, mediaDir),
      data?.folder != null && platform === "linux" && fileSystemProbe(data.path),
      data !== null &&
        diskProbes({ data, ports, minFreeDisk: mirror.enabled ? mirror.minFreeDisk : null, mediaDir, backupDir }),
      backupDir !== null && { name: "backup.folder", run: () => judge({ dir: backupDir, option: "backup.dir" }) },
      tls !== null && listenerProbe(tls, publicUrl && hostOf(publicUrl), now()),
      senderProbe(config, machine.addresses, given.request),
    ),
    stage(
      AT_ONCE,
      mirror.enabled && !(offline && target.type === "s3") && (await tryTarget()),
      !offline &&
        endpoints.map((one, at) => endpointProbe(one, `endpoints[${at}]`, { clock, userAgent, resolve, dates })),
    ),
    // The clock is compared with the answers to those before it. SQLite lets nothing else run while it reads.
    stage(
      1,
      !offline && clockProbe(dates, clock),
      data !== null && [
        databaseProbe({ data, inspect: async (path) => (await sqlite()).inspectDatabase(path), verdict }),
        relayProbe({ config, data, isRunning: async (dir) => (await sqlite()).isRelayRunning(dir), clock }),
        reading("deliveries", (store) => judgeDeliveries(store, config)),
        reading("senders", (store) => judgeRefused(store, now() - DAY)),
        reading("media", async (store) => of("deadline", await judgeDeadline(store, now()))),
        reading("backup", (store) => judgeBackups(store, config, data, now())),
      ],
      !offline &&
        formerProbe({
          clock,
          async list() {
            const store = await openStore();
            return store === null ? [] : given.listFormer(store);
          },
        }),
    ),
  ];
}

function stage(atOnce: number, ...probes: (Probe | Probe[] | false)[]): Stage {
  return { atOnce, probes: probes.flat().filter((probe) => probe !== false) };
}
