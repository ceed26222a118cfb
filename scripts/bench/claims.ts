import type { ConfigInput } from "../../src/config/schema.ts";
import type { Attempt } from "../../src/model/delivery.ts";
import type { Job } from "../../src/model/job.ts";
import type { SpooledFile } from "../../src/model/medium.ts";
import type { Store } from "../../src/store/store.ts";
import { readSettings, reportReady } from "./child.ts";
import { acceptEvents, openBenchStore } from "./seed.ts";

/** Works off jobs as the workers do, claims and settles alone: how fast the store is at it, without the network. */

const { dir, config: given, events } = readSettings<ClaimSettings>();
export type ClaimSettings = { dir: string; config: ConfigInput; events: number };

/** How many are claimed at once, and settled in one commit. */
const AT_ONCE = 32;
const LEASE = 30_000;

const { store } = await openBenchStore(dir, given);

const file: SpooledFile = {
  bytes: 1_048_576,
  sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  contentType: "video/mp4",
  ext: ".mp4",
  suspect: null,
  etag: '"d41d8cd98f00b204e9800998ecf8427e"',
  lastModified: null,
};
const attempt = (): Attempt => ({
  startedAt: Date.now(),
  duration: 12,
  status: 200,
  response: Buffer.from("ok"),
  error: null,
  bytes: 1_024,
  sha256: file.sha256,
});

const ANSWERED = { failure: null, retryAfter: 0, isLast: false, spread: 0.5, pending: [] };

async function workOff<J extends Job>(
  claim: () => Promise<J[]>,
  settle: (job: J) => Promise<unknown>,
): Promise<number> {
  for (let done = 0; ; ) {
    const jobs = await claim();
    if (jobs.length === 0) return done;
    await Promise.all(jobs.map(settle));
    done += jobs.length;
  }
}

/** Jobs a second, of all kinds together. */
async function run(store: Store): Promise<number> {
  const target = await store.targetId({ type: "local", dir });
  await acceptEvents(store, events);
  const begun = performance.now();
  const wish = () => ({ now: Date.now(), limit: AT_ONCE, leaseFor: LEASE });
  const downloads = await workOff(
    () => store.claimDownloads({ ...wish(), busyHosts: [] }).then(({ jobs }) => jobs),
    (job) => store.settleDownload(job, { is: "spooled", file }, Date.now()),
  );
  const uploads = await workOff(
    () => store.claimUploads(wish()).then(({ jobs }) => jobs),
    (job) => store.settleUpload(job, { is: "mirrored", target, key: `${job.videoId}/${job.id}` }, Date.now()),
  );
  const deliveries = await workOff(
    () => store.claimDeliveries({ ...wish(), endpoint: "app" }).then(({ jobs }) => jobs),
    (job) => store.settleDelivery(job, { attempt: attempt(), ...ANSWERED }, Date.now()),
  );
  const seconds = (performance.now() - begun) / 1000;
  if (downloads !== 2 * events || uploads !== downloads || deliveries !== events) {
    throw new Error(`${downloads} downloads, ${uploads} uploads and ${deliveries} deliveries came of ${events} events`);
  }
  return (downloads + uploads + deliveries) / seconds;
}

reportReady({ ready: {}, answers: { run: () => run(store) }, close: () => store.close() });
