import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConfigInput } from "../../src/config/schema.ts";
import { startWorker } from "../../src/jobs/worker.ts";
import { createCopyLocks } from "../../src/mirror/copy-locks.ts";
import { deletionQueue } from "../../src/mirror/delete/queue.ts";
import { openTargets } from "../../src/mirror/open-targets.ts";
import { spoolPaths } from "../../src/mirror/spool/spool.ts";
import { uploadQueue } from "../../src/mirror/upload/queue.ts";
import { createTargetHealth } from "../../src/mirror/upload/target-health.ts";
import type { DownloadJob, UploadJob } from "../../src/model/job.ts";
import type { MediaKind, SpooledFile } from "../../src/model/medium.ts";
import { createAccept } from "../../src/receive/accept.ts";
import { openStore } from "../../src/store/open.ts";
import type { MirrorTarget } from "../../src/targets/target.ts";
import { sha256Of } from "../support/bytes.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { testMetrics } from "../support/metrics.ts";
import { testClock, testPorts } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** What a test does to a target's put: nothing, or something instead of it. */
export type Fault = ((...put: Parameters<MirrorTarget["put"]>) => ReturnType<MirrorTarget["put"]>) | null;

/**
 * Uploads and deletions of one relay: a real store, a real local target, a real spool; only the time is a test's, and
 * `fault` what befalls the target. Downloads are what `spool` says they brought.
 */
export async function openCopies(
  t: Pick<TestContext, "after">,
  mirror: NonNullable<ConfigInput["mirror"]> = {},
  { isShared = false } = {},
) {
  const dir = tempFolder(t);
  const config = configIn(dir, { mirror: { minFreeDisk: 0, ...mirror } });
  const clock = testClock();
  const ports = { ...testPorts(clock), metrics: testMetrics() };
  const { log, metrics } = ports;
  const opened = await openStore(config, ports, { role: "relay" });
  const store = { ...opened, shared: isShared ? { clock, onJump() {} } : null };
  t.after(() => store.close());
  const spoolDir = join(config.dataDir, "spool");
  await mkdir(spoolDir, { recursive: true });
  const targets = await openTargets({ config: config.mirror, dataDir: config.dataDir, store });
  t.after(() => targets.close());

  const state = { fault: null as Fault, puts: [] as string[] };
  /** What is under way: real puts, faults in place of them, and failures whose verdict is not known. */
  const under = { puts: 0, faults: 0, verdicts: 0 };
  const count = <Result>(what: keyof typeof under, work: Promise<Result>): Promise<Result> => {
    under[what]++;
    return work.finally(() => under[what]--);
  };
  /** A verdict needs a real disk only, unless a fault holds its probe: that may wait for the clock. */
  const isBusy = () => under.puts > 0 || (under.verdicts > 0 && under.faults === 0);
  const real: MirrorTarget["put"] = (...given) => count("puts", targets.present.put(...given));
  const target: MirrorTarget = {
    ...targets.present,
    put: (...given) => {
      state.puts.push(given[0]);
      return state.fault === null ? real(...given) : count("faults", state.fault(...given));
    },
  };
  const health = createTargetHealth({ target, ports, spoolDir });
  const { failed } = health;
  health.failed = (error) => count("verdicts", failed(error));
  const locks = createCopyLocks();
  const { presentId: targetId } = targets;
  const given = { config: config.mirror, store, target, targetId, ports, spoolDir, targetHealth: health, locks };
  const uploads = uploadQueue(given);
  const deletions = deletionQueue({
    store,
    targets: { ...targets, at: async (id) => (id === targetId ? target : targets.at(id)) },
    ports,
    spoolDir,
    locks,
  });
  const accept = createAccept({ store });
  const wish = (limit = 100) => ({ now: clock.now(), limit, leaseFor: 30_000 });
  const { signal } = new AbortController();
  const lease = { signal, ending: signal, yieldSlot: () => {} };

  const post = (event: object) =>
    accept(Buffer.from(JSON.stringify({ type: "video.ready", ...event })), "192.0.2.1", clock.now());
  const downloads = () => store.claimDownloads({ ...wish(), busyHosts: [] }).then(({ jobs }) => jobs);

  /** A download ends: its file is in the spool. */
  async function spool(job: DownloadJob, content: string | Uint8Array, more: Partial<SpooledFile> = {}): Promise<void> {
    await writeFile(spoolPaths(spoolDir, job.mediumId).file, content, { flag: "wx" });
    const ext = job.kind === "video" ? ".mp4" : ".jpg";
    const contentType = job.kind === "video" ? "video/mp4" : "image/jpeg";
    const facts = { bytes: content.length, sha256: sha256Of(content), suspect: null, etag: null, lastModified: null };
    await store.settleDownload(job, { is: "spooled", file: { ...facts, ext, contentType, ...more } }, clock.now());
  }

  const files = async (where: string) =>
    (await readdir(where, { recursive: true, withFileTypes: true }).catch(() => []))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(where.length + 1))
      .sort();

  return {
    ...{
      dir,
      config,
      clock,
      log,
      metrics,
      store,
      spoolDir,
      targets,
      target,
      targetId,
      state,
      health,
      locks,
      uploads,
      deletions,
    },
    ...{ lease, post, downloads, spool, wish },
    /** Announces a video and brings its file, as far as the spool. */
    async bring(
      videoId: string,
      content: string | Uint8Array,
      more: Partial<SpooledFile> = {},
      url = `https://h/${videoId}.mp4`,
    ) {
      await post({ wochitVideoId: videoId, videoUrl: url });
      const job = (await downloads()).find((each) => each.videoId === videoId)!;
      await spool(job, content, more);
      return job.mediumId;
    },
    claimUploads: (): Promise<UploadJob[]> => store.claimUploads(wish()).then(({ jobs }) => jobs),
    /** Runs everything of a queue that is due. */
    async work(which: "uploads" | "deletions") {
      const queue = which === "uploads" ? uploads : deletions;
      const jobs = (await (queue as typeof uploads).claim({ limit: 100, now: clock.now(), leaseFor: 30_000 })).jobs;
      await Promise.all(jobs.map((job) => (queue as typeof uploads).run(job, lease)));
      return jobs.length;
    },
    /** Workers on both queues, until `ask` says yes; moves the clock by `step`, and waits for real disks each time. */
    async until(ask: () => boolean | Promise<boolean>, { step = 1_000, most = 5_000 } = {}) {
      const workers = [startWorker(uploads, store, ports), startWorker(deletions, store, ports)];
      const from = clock.now();
      try {
        while (!(await ask())) {
          if (clock.now() - from > most * step) throw new Error(`waited in vain for: ${ask}`);
          await clock.advance(step);
          await sleep(2);
          await waitFor(() => !isBusy());
        }
        return clock.now() - from;
      } finally {
        let isStopped = false;
        const stopped = Promise.all(workers.map((worker) => worker.stop(0))).finally(() => {
          isStopped = true;
        });
        // A job that ends may wait for the clock, too.
        while (!isStopped) {
          await clock.advance(1_000);
          await sleep(2);
        }
        await stopped;
        await store.freeLeases(clock.now());
      }
    },
    /** The target's own put, which the clock waits for. */
    real,
    kept: () => files((config.mirror.target as { dir: string }).dir),
    spooled: () => files(spoolDir),
    facts: (fact: string) => log.facts.filter((each) => each.fact === fact),
    /** The only medium of a video of this kind that is not superseded. */
    async medium(videoId: string, kind: MediaKind = "video") {
      const media = await store.media({ limit: 10, videoId, kind });
      return media.find(({ state }) => state !== "superseded")!;
    },
  };
}
