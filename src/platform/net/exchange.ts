import { Buffer } from "node:buffer";
import type { Dispatcher } from "undici";

/** How an answer's body is read: one that is read to its end leaves a reusable connection. */
export type Reading = {
  /** How much of it is kept, and how much is read, in bytes. */
  keep: number;
  most: number;
  /** Begins the time for it, after which `giveUp` is called; the returned function ends that time. */
  limit(giveUp: () => void): () => void;
  /** The same for all of the exchange; `why`: what it rejects with then, where no answer has begun. */
  within?(giveUp: (why: Error) => void): () => void;
};

/**
 * The head of an answer, and what was kept of its body; null: it was empty. A body that is slow, broken or too long ends
 * early, and changes nothing else.
 */
export type Exchange = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  start: Uint8Array | null;
};

/**
 * One request and the beginning of its answer, without a stream for the answer's body: with undici's own `request` most of
 * what each request has allocated outlives V8's young generation, whose collections then hold the event loop for 10 to 20 ms.
 * Rejects with the reason of `signal`, as soon as that is aborted or its time is over, until the head of the answer has come.
 */
export function exchange(
  agent: Dispatcher,
  options: Dispatcher.DispatchOptions & { signal: AbortSignal },
  { keep, most, limit, within = () => () => {} }: Reading,
): Promise<Exchange> {
  const { signal, ...request } = options;
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | null = null;
    let head: Pick<Exchange, "status" | "headers"> | null = null;
    let endTime = () => {};
    let endAll = () => {};
    let stopped: Error | null = null;
    const chunks: Uint8Array[] = [];
    let read = 0;
    let isOver = false;

    function settle(error?: unknown): void {
      if (isOver) return;
      isOver = true;
      signal.removeEventListener("abort", abort);
      endTime();
      endAll();
      if (head === null) reject(error);
      else resolve({ ...head, start: chunks.length > 1 ? Buffer.concat(chunks) : (chunks[0] ?? null) });
    }
    /** Whatever comes of the rest, the connection is not used again. */
    function giveUp(reason: Error): void {
      stopped = reason;
      settle(reason);
      controller?.abort(reason);
    }
    const abort = () => giveUp(signal.reason);
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", abort);
    endAll = within(giveUp);

    agent.dispatch(request, {
      onRequestStart(given) {
        controller = given;
        // It was given up while it waited for a connection.
        if (stopped !== null) given.abort(stopped);
      },
      onResponseStart(_, status, headers) {
        if (status < 200) return;
        head = { status, headers };
        endTime = limit(() => giveUp(new Error("the body of the answer is slow")));
      },
      onResponseData(_, chunk) {
        if (read < keep) chunks.push(chunk.subarray(0, keep - read));
        read += chunk.length;
        if (read > most) giveUp(new Error("the body of the answer is long"));
      },
      onResponseEnd: () => settle(),
      onResponseError: (_, error) => settle(error),
    });
  });
}
