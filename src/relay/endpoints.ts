import { isDeepStrictEqual } from "node:util";
import type { Endpoint } from "../config/schema.ts";
import { createByteBudget } from "../forward/byte-budget.ts";
import { createDeliveries, type DeliveryParts } from "../forward/deliver.ts";
import { startWorker, type Worker } from "../jobs/worker.ts";
import type { DeliveryJob } from "../model/delivery.ts";
import { shareOpenFiles } from "../platform/files/open-files.ts";
import { type Outbound, openOutbound } from "../platform/net/outbound.ts";
import type { Ports } from "../ports.ts";
import type { Workers } from "../receive/accept.ts";
import type { Store } from "../store/store.ts";

/** An endpoint that leaves the config ends after its timeout and SETTLING (for the last commits), at most LONGEST_LEAVE. Milliseconds. */
const SETTLING = 1_000;
const LONGEST_LEAVE = 30_000;

/** One endpoint with its own worker, connections and keys. */
type Sending = { endpoint: Endpoint; worker: Worker<DeliveryJob>; outbound: Outbound };

type Hold = NonNullable<ReturnType<Worker<DeliveryJob>["hold"]>>;

/** The delivery workers, one for each endpoint. */
export function createEndpointWorkers(
  parts: Pick<DeliveryParts, "link" | "userAgent"> & {
    store: Store;
    ports: Ports;
    connectTimeout: number;
    /** For tests: what requests go through. */
    open?: typeof openOutbound;
  },
) {
  const { store, ports, connectTimeout, open = openOutbound, ...rest } = parts;
  const budget = createByteBudget({ count: shareOpenFiles().deliveries });
  const sending = new Map<string, Sending>();
  const leaving = new Map<Promise<void>, Sending>();
  /** Attempts under way by endpoint, those of a former config included: together they keep to its concurrency. */
  const underWay = new Map<string, number>();

  function start(endpoint: Endpoint): Sending {
    const { allowPrivateAddresses, concurrency: connections, tls } = endpoint;
    const outbound = open({ allowPrivateAddresses, connectTimeout, connections, tls });
    const queue = createDeliveries({ endpoint, store, outbound, budget, ports, wake, ...rest });
    const { id } = endpoint;
    const count = (more: number) => underWay.set(id, (underWay.get(id) ?? 0) + more);
    const shared: typeof queue = {
      ...queue,
      room: () => Math.min(queue.concurrency - (underWay.get(id) ?? 0), queue.room?.() ?? Number.POSITIVE_INFINITY),
      run(job, lease) {
        let isUnderWay = true;
        count(1);
        const end = () => {
          if (isUnderWay) count(-1);
          isUnderWay = false;
        };
        const yieldSlot = () => {
          end();
          lease.yieldSlot();
          const present = sending.get(id);
          if (present !== self) present?.worker.wake();
        };
        return queue.run(job, { ...lease, yieldSlot }).finally(yieldSlot);
      },
    };
    const self: Sending = { endpoint, outbound, worker: startWorker(shared, store, ports) };
    return self;
  }

  async function end({ endpoint, worker, outbound }: Sending, grace: number): Promise<void> {
    await worker.stop(grace);
    // What it gave back is due now: the worker that took its place may have looked before.
    sending.get(endpoint.id)?.worker.wake();
    await outbound.close();
  }

  /** Deliveries of these endpoints, or (without) of any may be due. */
  function wake(endpoints: Iterable<string> = sending.keys()): void {
    for (const id of endpoints) sending.get(id)?.worker.wake();
  }

  return {
    /**
     * Replaces the endpoints. An unchanged one goes on undisturbed. Attempts under way of one that changed or is gone end as
     * they began; then its worker and connections are closed.
     */
    apply(endpoints: Endpoint[]): void {
      const wanted = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
      for (const [id, one] of sending) {
        if (isDeepStrictEqual(one.endpoint, wanted.get(id))) continue;
        sending.delete(id);
        const left = end(one, Math.min(one.endpoint.timeout + SETTLING, LONGEST_LEAVE)).finally(() =>
          leaving.delete(left),
        );
        leaving.set(left, one);
      }
      for (const [id, endpoint] of wanted) if (!sending.has(id)) sending.set(id, start(endpoint));
    },

    wake,

    /** Holds a slot of each that has one free and nothing else to do; of none whose rate decides when the next goes. */
    hold(): ReturnType<Workers["hold"]> {
      const held = new Map<string, { worker: Worker<DeliveryJob>; use: Hold }>();
      for (const [id, { endpoint, worker }] of sending) {
        const use = endpoint.ratePerSecond === null ? worker.hold() : null;
        if (use) held.set(id, { worker, use });
      }
      return {
        endpoints: [...held.keys()],
        use(leased) {
          for (const [id, { worker, use }] of held) {
            const used = use(leased.find(({ endpoint }) => endpoint === id) ?? null);
            // A worker that was replaced meanwhile has given the job back.
            const next = sending.get(id)?.worker;
            if (next !== worker) void used.then(() => next?.wake());
          }
        },
      };
    },

    /** Stops all of them; attempts under way have `grace` milliseconds. */
    async stop(grace: number): Promise<void> {
      const all = [...sending.values(), ...leaving.values()];
      sending.clear();
      await Promise.all([...all.map((one) => end(one, grace)), ...leaving.keys()]);
    },
  };
}
