import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import * as v from "valibot";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import { downloadQueue } from "../../../src/mirror/download/queue.ts";
import type { Limits } from "../../../src/mirror/download/rate-limits.ts";
import type { DownloadJob, DownloadOutcome } from "../../../src/model/job.ts";
import type { Copy } from "../../../src/model/medium.ts";
import { openOutbound } from "../../../src/platform/net/outbound.ts";
import { systemClock } from "../../../src/platform/runtime.ts";
import type { Clock } from "../../../src/ports.ts";
import { testMetrics } from "../../support/metrics.ts";
import { testLog } from "../../support/ports.ts";

/** The part of a store that downloads need, in memory: due jobs in, outcomes out. */
export function memoryStore() {
  const due: DownloadJob[] = [];
  const settled: { job: string; outcome: DownloadOutcome }[] = [];
  const store = {
    due,
    settled,
    claims: [] as { limit: number; busyHosts: string[] }[],
    lost: false,
    spooled: [] as { mediumId: string; uploads: boolean }[],
    async claimDownloads({ limit, busyHosts }: { limit: number; busyHosts: string[] }) {
      // A limit of 0 asks only when the next is due.
      if (limit > 0) store.claims.push({ limit, busyHosts });
      const fits = due.filter((job) => !busyHosts.includes(job.host)).slice(0, limit);
      for (const job of fits) due.splice(due.indexOf(job), 1);
      return { jobs: fits, nextDue: null };
    },
    async renew() {
      return !store.lost;
    },
    async settleDownload(job: { id: string }, outcome: DownloadOutcome) {
      if (store.lost) return { settled: false };
      settled.push({ job: job.id, outcome });
      return { settled: true };
    },
    /** Media that came to nothing at another relay. */
    failed: new Set<string>(),
    async reviveSpooled(mediumIds: string[]) {
      for (const mediumId of mediumIds)
        if (store.failed.delete(mediumId)) store.spooled.push({ mediumId, uploads: false });
    },
    async isSpooled(mediumId: string) {
      return store.spooled.some((medium) => medium.mediumId === mediumId);
    },
  };
  return store;
}

/** Downloads into a folder of their own, with everything around them real, except the store. */
export async function openDownloads(
  t: TestContext,
  options: {
    config?: Partial<Config["mirror"]>;
    limits?: Partial<Limits>;
    clock?: Clock;
    heldCopy?: (copy: Copy) => Promise<boolean | null>;
    spoolDir?: string;
  } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), "relay-download-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const spoolDir = options.spoolDir ?? join(folder, "spool");
  const config = {
    ...v.parse(configSchema, { mirror: { minFreeDisk: 0, allowPrivateAddresses: ["127.0.0.1"] } }).mirror,
    ...options.config,
  };
  const outbound = openOutbound({ allowPrivateAddresses: config.allowPrivateAddresses, connectTimeout: 10_000 });
  t.after(() => outbound.close());
  const log = testLog();
  const metrics = testMetrics();
  const ports = { clock: options.clock ?? systemClock(), log, metrics };
  const store = memoryStore();
  const heldCopy = options.heldCopy ?? (async () => true);
  const queue = downloadQueue({ config, store, outbound, heldCopy, ports, spoolDir, limits: options.limits });

  let jobs = 0;
  function job(url: string, more: Partial<DownloadJob> = {}): DownloadJob {
    const id = `job_${++jobs}`;
    const now = ports.clock.now();
    return {
      id,
      queue: "download",
      attempts: 0,
      claim: "1",
      eventId: "evt_1",
      videoId: "v1",
      mediumId: `med_${jobs}`,
      kind: "video",
      url,
      host: URL.canParse(url) ? new URL(url).host : "",
      deadline: now + 3_600_000,
      receivedAt: now - 3_600_000,
      duration: null,
      previous: null,
      hasCopy: false,
      ...more,
    };
  }

  /** Runs one job to its end and returns what was settled; null: nothing. */
  async function run(
    url: string,
    more: Partial<DownloadJob> = {},
    signal = new AbortController().signal,
    yieldSlot = () => {},
  ) {
    const mine = job(url, more);
    await queue.run(mine, { signal, ending: signal, yieldSlot });
    return store.settled.find((settled) => settled.job === mine.id)?.outcome ?? null;
  }

  /** The names in the spool. */
  const files = async () => (await readdir(spoolDir).catch(() => [])).sort();
  return { queue, job, run, store, log, ports, config, spoolDir, files };
}
