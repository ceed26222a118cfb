import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import type { About } from "../target.ts";

const CHUNK = 256 * 1024;

/** Limits how much work runs at once; the rest waits in order. */
type Limiter = <T>(work: () => Promise<T>) => Promise<T>;

export function createLimiter(count: number): Limiter {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}

/**
 * Streams bytes `start` to `end` (included) of an open file as fast as the reader takes them. Closes the file at the
 * end, on an error, and when the reader cancels.
 */
export function readRange(file: FileHandle, start: number, end: number, slots: Limiter): ReadableStream<Uint8Array> {
  let at = start;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const chunk = Buffer.allocUnsafe(Math.min(CHUNK, end - at + 1));
          const { bytesRead } = await slots(() => file.read(chunk, 0, chunk.length, at));
          if (bytesRead === 0) throw new Error("the file is shorter than it was when it was opened");
          at += bytesRead;
          controller.enqueue(chunk.subarray(0, bytesRead));
          if (at <= end) return;
          controller.close();
          await file.close();
        } catch (error) {
          controller.error(error);
          await file.close().catch(() => {});
        }
      },
      async cancel() {
        await file.close();
      },
    },
    // Nothing is read before the reader asks.
    { highWaterMark: 0 },
  );
}

/** All bytes of an open file, which is closed at the end, on an error, and when the reader stops. */
export async function* readWhole(file: FileHandle, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of file.createReadStream({ highWaterMark: CHUNK })) {
    signal.throwIfAborted();
    yield chunk;
  }
}

/** The same pieces; `pace` is awaited after each. */
export async function* paced(
  pieces: AsyncIterable<Uint8Array>,
  pace: NonNullable<About["pace"]>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    yield piece;
    await pace(piece.length, signal);
  }
}
