import type { QueueName } from "../../src/model/job.ts";
import type { Store } from "../../src/store/store.ts";

/** When a claim may next give something of a queue; null: never. */
export async function nextDue(store: Store, queue: QueueName): Promise<number | null> {
  const wish = { now: 0, limit: 0, leaseFor: 0 };
  const claim = () => {
    if (queue === "download") return store.claimDownloads({ ...wish, busyHosts: [] });
    if (queue === "upload") return store.claimUploads(wish);
    if (queue === "delete") return store.claimDeletions(wish);
    return store.claimDeliveries({ ...wish, endpoint: queue.slice("deliver/".length) });
  };
  return (await claim()).nextDue;
}
