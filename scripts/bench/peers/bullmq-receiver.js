import { Queue } from "bullmq";
import { readSettings, reportReady } from "../child.ts";
import { RETRY } from "./deliver.js";
import { receive } from "./receiver.js";

/** Express, which adds a job to BullMQ's queue for each event. */

const { port } = readSettings();
const queue = new Queue("events", { connection: { host: "127.0.0.1", port } });
await queue.waitUntilReady();
const options = { attempts: RETRY.length + 1, backoff: { type: "custom" }, removeOnComplete: true };
const url = await receive((event) => queue.add("event", event, options));
reportReady({ ready: { url } });
