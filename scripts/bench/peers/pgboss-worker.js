import { readSettings, reportReady } from "../child.ts";
import { CONCURRENCY, createDelivery } from "./deliver.js";
import { openQueue } from "./pgboss-queue.js";

/** The worker of pg-boss's queue, in a process of its own. */

const { database, app, secret } = readSettings();
const deliver = createDelivery({ app, secret });
const boss = await openQueue(database);

/** The quickest of what pg-boss offers: batches are fetched on while they are full, and each job is settled for itself. */
const options = {
  batchSize: 4 * CONCURRENCY,
  pollingIntervalSeconds: 0.5,
  notifyPollingIntervalSeconds: 0.5,
  burstWhenBatchFull: true,
  perJobResults: true,
};
await boss.work("events", options, async (jobs) => {
  const results = [];
  let next = 0;
  const loop = async () => {
    while (next < jobs.length) results.push(await run(jobs[next++]));
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, loop));
  return results;
});

async function run({ id, data }) {
  try {
    await deliver(data);
    return { id, status: "completed" };
  } catch (error) {
    return { id, status: "failed", output: { message: error.message } };
  }
}

reportReady({ ready: {} });
