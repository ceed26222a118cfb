import { Buffer } from "node:buffer";

/** Smaller chunks, in bytes, are copied: each keeps alive the whole buffer that its socket read, up to 64 KiB. */
const SMALL = 4 * 1024;

/** The size of the buffers that small chunks are copied into, in bytes. */
const ROOM = 16 * 1024;

const NO_ROOM = Buffer.alloc(0);

/** Chunks in their order; small ones are copied together, so that they take about as much memory as they have bytes. */
export function createChunks() {
  let chunks: Uint8Array[] = [];
  let room = NO_ROOM;
  /** The bytes of `room` that are used, and those that are the last chunk. */
  let used = 0;
  let ofLast = 0;

  function put(chunk: Uint8Array): void {
    if (chunk.length >= SMALL) {
      chunks.push(chunk);
      ofLast = 0;
      return;
    }
    if (used + chunk.length > room.length) {
      room = Buffer.allocUnsafeSlow(ROOM);
      used = ofLast = 0;
    }
    if (ofLast > 0) chunks.pop();
    room.set(chunk, used);
    used += chunk.length;
    ofLast += chunk.length;
    chunks.push(room.subarray(used - ofLast, used));
  }

  return {
    add(chunk: Uint8Array): void {
      // The first is usually the only one, and is not copied then.
      if (chunks.length === 0) return void chunks.push(chunk);
      if (chunks.length === 1 && room === NO_ROOM) put(chunks.pop()!);
      put(chunk);
    },
    /** The chunks since the last call. */
    take(): Uint8Array[] {
      const taken = chunks;
      chunks = [];
      room = NO_ROOM;
      used = ofLast = 0;
      return taken;
    },
  };
}
