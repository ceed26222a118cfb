import { readSettings, reportReady } from "../child.ts";
import { openQueue } from "./pgboss-queue.js";
import { receive } from "./receiver.js";

/** Express, which sends a job to pg-boss for each event. */

const { database } = readSettings();
const boss = await openQueue(database);
const url = await receive((event) => boss.send("events", event));
reportReady({ ready: { url } });
