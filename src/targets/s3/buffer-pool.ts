import { Buffer } from "node:buffer";

/** A buffer that is in use until it is released; a second release does nothing. */
export type PooledBuffer = { buffer: Buffer; release(): void };

export type BufferPool = ReturnType<typeof createBufferPool>;

/**
 * Memory for all uploads of a target, `budget` bytes in total. First come, first served, so that uploads that ask for
 * one part after the other take turns. A request above the budget is served when no buffer is in use. Buffers of
 * `partSize` are reused; the garbage collector may take idle ones.
 */
export function createBufferPool(budget: number, partSize: number) {
  const waiting: { bytes: number; give: () => void }[] = [];
  const idle: WeakRef<Buffer>[] = [];
  let out = 0;

  const fits = (bytes: number) => out === 0 || out + bytes <= budget;

  function usedBefore(): Buffer | undefined {
    while (idle.length > 0) {
      const buffer = idle.pop()!.deref();
      if (buffer !== undefined) return buffer;
    }
    return undefined;
  }

  function lease(bytes: number): PooledBuffer {
    out += bytes;
    const buffer = (bytes === partSize ? usedBefore() : undefined) ?? Buffer.allocUnsafeSlow(bytes);
    let isOut = true;
    return {
      buffer,
      release() {
        if (!isOut) return;
        isOut = false;
        out -= bytes;
        if (bytes === partSize) idle.push(new WeakRef(buffer));
        while (waiting[0] && fits(waiting[0].bytes)) waiting.shift()!.give();
      },
    };
  }

  return {
    /** Waits for free memory. Rejects with the signal's reason when it aborts first. */
    take: (bytes: number, signal: AbortSignal) =>
      new Promise<PooledBuffer>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (waiting.length === 0 && fits(bytes)) return resolve(lease(bytes));
        const turn = {
          bytes,
          give() {
            signal.removeEventListener("abort", leave);
            resolve(lease(bytes));
          },
        };
        const leave = () => {
          waiting.splice(waiting.indexOf(turn), 1);
          reject(signal.reason);
          // A smaller request behind the cancelled one may fit.
          while (waiting[0] && fits(waiting[0].bytes)) waiting.shift()!.give();
        };
        signal.addEventListener("abort", leave, { once: true });
        waiting.push(turn);
      }),
  };
}
