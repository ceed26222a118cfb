import { Worker } from "bullmq";
import { readSettings, reportReady } from "../child.ts";
import { CONCURRENCY, createDelivery, RETRY } from "./deliver.js";

/** The worker of BullMQ's queue, in a process of its own, as its documentation advises. */

const { port, app, secret } = readSettings();
const deliver = createDelivery({ app, secret });
const worker = new Worker("events", (job) => deliver(job.data), {
  connection: { host: "127.0.0.1", port },
  concurrency: CONCURRENCY,
  settings: { backoffStrategy: (made) => RETRY[Math.min(made, RETRY.length) - 1] },
});
worker.on("error", (error) => console.error(error.message));
await worker.waitUntilReady();
reportReady({ ready: {} });
