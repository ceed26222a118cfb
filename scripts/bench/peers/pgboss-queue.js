import { PgBoss } from "pg-boss";

/** pg-boss on a database, with the one queue of the rig: LISTEN/NOTIFY wakes its worker. */
export async function openQueue(connectionString) {
  const boss = new PgBoss({ connectionString, max: 10, useListenNotify: true });
  boss.on("error", (error) => console.error(error.message));
  await boss.start();
  await boss.createQueue("events", { retryLimit: 12, retryDelay: 5, retryBackoff: true, notify: true });
  return boss;
}
