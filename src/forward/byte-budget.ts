import { setImmediate } from "node:timers";

/**
 * Limits the bodies under way to all endpoints together, in bytes and in number. Slots are counted per endpoint, so a thousand
 * endpoints that hang on large events would hold a copy and a socket for every slot. A delivery takes its share before its body
 * is read from the store, and returns it when the attempt has ended.
 */
export type ByteBudget = {
  /**
   * Takes room for a body, and waits for it where there is none; the returned function returns the room. Null: `ending` was
   * aborted first. One body always goes, however large it is. Large ones go one per turn of the event loop: each takes
   * milliseconds to build, and a webhook that comes meanwhile must not wait for all of them.
   */
  take(endpoint: string, bytes: number, ending: AbortSignal): Promise<(() => void) | null> | (() => void);
};

/** For all bodies. A quarter of the bytes and half of the number is for ordinary ones, so that large ones do not delay them. */
const LIMIT = 64 * 2 ** 20;
const ORDINARY = 64 * 2 ** 10;

export function createByteBudget({ bytes = LIMIT, count = Number.POSITIVE_INFINITY } = {}): ByteBudget {
  const ordinary = createPool(bytes / 4, Math.ceil(count / 2));
  const large = createPool((bytes * 3) / 4, Math.floor(count / 2));
  return { take: (endpoint, bytes, ending) => (bytes <= ORDINARY ? ordinary : large)(endpoint, bytes, ending) };
}

type Waiting = { endpoint: string; bytes: number; go(): void };

function createPool(limit: number, mostUnderWay: number): ByteBudget["take"] {
  let used = 0;
  let count = 0;
  /** Bodies under way, by endpoint. */
  const underWay = new Map<string, number>();
  const waiting: Waiting[] = [];

  let isTurnTaken = false;

  const fits = (bytes: number) => !isTurnTaken && count < mostUnderWay && (count === 0 || used + bytes <= limit);

  function hold(endpoint: string, bytes: number): () => void {
    used += bytes;
    count++;
    underWay.set(endpoint, (underWay.get(endpoint) ?? 0) + 1);
    if (bytes > ORDINARY) {
      isTurnTaken = true;
      setImmediate(() => {
        isTurnTaken = false;
        letGo();
      });
    }
    return () => {
      used -= bytes;
      count--;
      const left = underWay.get(endpoint)! - 1;
      if (left > 0) underWay.set(endpoint, left);
      else underWay.delete(endpoint);
      letGo();
    };
  }

  /**
   * The next is the first whose endpoint has nothing under way, else the first of all. None overtakes it, or a large body
   * would never fit.
   */
  function letGo(): void {
    for (;;) {
      const next = waiting.find(({ endpoint }) => !underWay.has(endpoint)) ?? waiting[0];
      if (next === undefined || !fits(next.bytes)) return;
      waiting.splice(waiting.indexOf(next), 1);
      next.go();
    }
  }

  return (endpoint, bytes, ending) => {
    if (ending.aborted) return Promise.resolve(null);
    if (waiting.length === 0 && fits(bytes)) return hold(endpoint, bytes);
    return new Promise((resolve) => {
      const entry: Waiting = {
        endpoint,
        bytes,
        go() {
          ending.removeEventListener("abort", leave);
          resolve(hold(endpoint, bytes));
        },
      };
      const leave = () => {
        waiting.splice(waiting.indexOf(entry), 1);
        resolve(null);
        letGo();
      };
      waiting.push(entry);
      ending.addEventListener("abort", leave, { once: true });
    });
  };
}
