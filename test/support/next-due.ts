import type { QueueName } from "../../src/model/job.ts";
import type { Store } from "../../src/store/store.ts";

/** When a claim may next give something of a queue; null: never. It asks for a claim at a time at which nothing is due. */
export async function nextDue(store: Store, queue: QueueName): Promise<number | null> {
  const wish = { now: -1, limit: 0, leaseFor: 0 };
  const claim = () => {
    if (queue === "download") return store.claimDownloads({ ...wish, busyHosts: [] });
    if (queue === "upload") return store.claimUploads(wish);
    if (queue === "delete") return store.claimDeletions(wish);
    return store.claimDeliveries({ ...wish, endpoint: queue.slice("deliver/".length) });
  };
  return (await claim()).nextDue;
}
