import type { Store } from "../../store/store.ts";
import { isoTime, pick } from "../json.ts";

/** The backups that are remembered, newest first, and how the last try of the schedule failed; null: it did not. */
export async function listBackups(store: Pick<Store, "backups">) {
  const [all, failed] = await Promise.all([store.backups.list(), store.backups.failed()]);
  return {
    data: all.map((one) => ({
      ...{ id: one.id, at: isoTime(one.at) },
      ...pick(one, "place name bytes events planned"),
      newestEvent: isoTime(one.newest),
    })),
    failed: failed && { at: isoTime(failed.at), error: failed.error, againAt: isoTime(failed.againAt) },
  };
}
