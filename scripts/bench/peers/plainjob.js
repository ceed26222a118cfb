import { join } from "node:path";
import Database from "better-sqlite3";
import { better, defineQueue, defineWorker } from "plainjob";
import { readSettings, reportReady } from "../child.ts";
import { CONCURRENCY, createDelivery, RETRY } from "./deliver.js";
import { receive } from "./receiver.js";

/** Express and plainjob in one process: SQLite has one writer. */

const { dir, app, secret } = readSettings();
const deliver = createDelivery({ app, secret });
const logger = { error: console.error, warn() {}, info() {}, debug() {} };
const db = new Database(join(dir, "jobs.db"));
const queue = defineQueue({ connection: better(db), logger });
// plainjob sets NORMAL, under which a power cut loses commits: as durable as the others it is with FULL.
db.pragma("synchronous = FULL");
const url = await receive((event) => queue.add("event", { ...event, attempt: 1 }));

/** plainjob has no repeated attempts: a job that failed is added again, for later. */
async function run(job) {
  const { attempt, ...event } = JSON.parse(job.data);
  try {
    await deliver(event);
  } catch {
    const delay = RETRY[attempt - 1];
    if (delay !== undefined) queue.add("event", { ...event, attempt: attempt + 1 }, { delay });
  }
}

// The option has this name. Its default is a second, which would be most of the latency.
const options = { queue, logger, pollIntervall: 100 };
for (let count = 0; count < CONCURRENCY; count++) void defineWorker("event", run, options).start();
reportReady({ ready: { url } });
