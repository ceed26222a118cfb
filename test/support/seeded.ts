import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import type { Config, ConfigInput } from "../../src/config/schema.ts";
import type { DownloadJob, DownloadOutcome, UploadJob } from "../../src/model/job.ts";
import type { SpooledFile } from "../../src/model/medium.ts";
import { createAccept } from "../../src/receive/accept.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { sha256Of } from "./bytes.ts";
import { configIn, endpoint } from "./config.ts";
import { tempFolder } from "./folder.ts";
import { answered } from "./outcomes.ts";
import { realPorts } from "./real-ports.ts";

export type Seeded = {
  store: Store;
  config: Config;
  dir: string;
  configPath: string;
  /** Takes an event in as the webhook route would, now or at `receivedAt`. */
  take(event: object, receivedAt?: number): Promise<string>;
  /** Claims all due deliveries to an endpoint and ends each in this way; one to be retried is not due for a minute. */
  deliver(endpoint: string, is: "delivered" | "retry" | "dead", status?: number): Promise<number>;
  /**
   * Claims all due downloads and ends each: mirrored, with a real file under `<id>/<kind>.bin` in the media folder; only
   * spooled, with its upload to come; or in this way.
   */
  download(is?: "mirrored" | "spooled" | "failed" | "expired"): Promise<number>;
};

/** The endpoints of a seeded database unless told otherwise. */
export const ENDPOINTS = [endpoint("app"), endpoint("archive", { events: ["video.*"], order: "none" })];

/** A relay's database in a temp folder, open beside whatever looks into it, without a relay that works on it. */
export async function openSeeded(t: Pick<TestContext, "after">, input: ConfigInput = {}): Promise<Seeded> {
  const dir = tempFolder(t);
  const config = configIn(dir, {
    server: { publicUrl: "https://relay.example.com" },
    mirror: { enabled: false },
    endpoints: ENDPOINTS,
    ...input,
  });
  const store = await openStore(config, realPorts(), { role: "relay" });
  t.after(() => store.close());
  const accept = createAccept({ store });
  const wish = () => ({ now: Date.now(), limit: 100_000, leaseFor: 30_000 });
  const { target: place } = config.mirror;
  assert.ok(place.type === "local");
  const mediaDir = place.dir;
  const target = await store.targetId(place);

  async function upload(): Promise<void> {
    const settle = (job: UploadJob) => {
      const key = `${job.videoId}/${job.kind}.bin`;
      mkdirSync(dirname(join(mediaDir, key)), { recursive: true });
      writeFileSync(join(mediaDir, key), contentOf(job));
      return store.settleUpload(job, { is: "mirrored", target, key }, Date.now());
    };
    await Promise.all((await store.claimUploads(wish())).jobs.map(settle));
  }

  return {
    store,
    config,
    dir,
    configPath: join(dir, "config.json"),
    async take(event, receivedAt = Date.now()) {
      return (await accept(Buffer.from(JSON.stringify(event)), "192.0.2.1", receivedAt)).id;
    },
    async deliver(endpoint, is, status = is === "delivered" ? 200 : 500) {
      const jobs = (await store.claimDeliveries({ ...wish(), endpoint })).jobs;
      for (const job of jobs) {
        const error = is === "delivered" ? null : `answered ${status}`;
        const attempt = { duration: 12, response: Buffer.from("\x1b[31mno"), error };
        const how = { at: Date.now(), attempt, isLast: is === "dead", retryAfter: is === "retry" ? 60_000 : 0 };
        await store.settleDelivery(job, answered(status, how), Date.now());
      }
      return jobs.length;
    },
    async download(is = "mirrored") {
      const jobs = (await store.claimDownloads({ ...wish(), busyHosts: [] })).jobs;
      const settle = (job: DownloadJob) => {
        const secured = is === "mirrored" || is === "spooled";
        const outcome: DownloadOutcome = secured
          ? { is: "spooled", file: describeFile(contentOf(job)) }
          : { is, error: "answered 403" };
        return store.settleDownload(job, outcome, Date.now());
      };
      await Promise.all(jobs.map(settle));
      if (is === "mirrored") await upload();
      return jobs.length;
    },
  };
}

function contentOf({ videoId, kind }: { videoId: string; kind: string }): Buffer {
  return Buffer.from(`${kind} of ${videoId}`);
}

function describeFile(content: Buffer): SpooledFile {
  return {
    bytes: content.length,
    sha256: sha256Of(content),
    contentType: "video/mp4",
    ext: ".bin",
    suspect: null,
    etag: null,
    lastModified: null,
  };
}

export function ready(videoId: string, more: object = {}) {
  return { type: "video.ready", wochitVideoId: videoId, videoContext: `context of ${videoId}`, ...more };
}

/** What `readStatus` takes beside a store, while a relay runs in which nothing is wrong. */
export const STATUS = {
  clock: realPorts().clock,
  relay: { isRunning: true, version: "0.0.0", startedAt: 0, troubles: [], storeTrouble: null, targetTrouble: null },
};
