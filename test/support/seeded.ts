import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Config, ConfigInput } from "../../src/config.ts";
import type { Copy, DeliveryOutcome, DownloadOutcome } from "../../src/domain.ts";
import { createAccept } from "../../src/receive/accept.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { configIn, endpoint } from "./config.ts";
import { tempFolder } from "./folder.ts";
import { realPorts } from "./real-ports.ts";

export type Seeded = {
  store: Store;
  config: Config;
  dir: string;
  configPath: string;
  /** Takes an event in as the webhook route would, now or at `receivedAt`. */
  take(event: object, receivedAt?: number): Promise<string>;
  /** Claims all due deliveries to an endpoint and ends each in this way. */
  deliver(endpoint: string, is: DeliveryOutcome["is"], status?: number): Promise<number>;
  /** Claims all due downloads and ends each: mirrored under `<kind>/<id>`, or in this way. */
  download(is?: "mirrored" | "failed" | "expired"): Promise<number>;
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
  const accept = createAccept({ store, config });
  const wish = () => ({ now: Date.now(), limit: 1000, leaseUntil: Date.now() + 30_000 });
  return {
    store,
    config,
    dir,
    configPath: join(dir, "config.json"),
    async take(event, receivedAt = Date.now()) {
      return (await accept(Buffer.from(JSON.stringify(event)), "192.0.2.1", receivedAt)).id;
    },
    async deliver(endpoint, is, status = is === "delivered" ? 200 : 500) {
      const jobs = await store.claimDeliveries({ ...wish(), endpoint });
      for (const job of jobs) {
        const error = is === "delivered" ? null : `answered ${status}`;
        const attempt = { startedAt: Date.now(), duration: 12, status, response: Buffer.from("\x1b[31mno"), error };
        const at = Date.now() + 60_000;
        await store.settleDelivery(job, { is, attempt, at, asideAt: at } as DeliveryOutcome, Date.now());
      }
      return jobs.length;
    },
    async download(is = "mirrored") {
      const jobs = await store.claimDownloads({ ...wish(), busyHosts: [] });
      for (const job of jobs) {
        const copy: Copy = {
          key: `${job.videoId}/${job.kind}.bin`,
          bytes: 7,
          sha256: "0".repeat(64),
          contentType: "video/mp4",
          suspect: null,
          etag: null,
          lastModified: null,
        };
        const outcome: DownloadOutcome = is === "mirrored" ? { is, copy } : { is, error: "answered 403" };
        await store.settleDownload(job, outcome, Date.now());
      }
      return jobs.length;
    },
  };
}

export function ready(videoId: string, more: object = {}) {
  return { type: "video.ready", wochitVideoId: videoId, videoContext: `context of ${videoId}`, ...more };
}
