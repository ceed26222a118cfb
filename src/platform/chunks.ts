import { Buffer } from "node:buffer";

/** Smaller chunks, in bytes, are copied: each keeps alive the whole buffer that its socket read, up to 64 KiB. */
const SMALL = 4 * 1024;

/** The size of the buffers that small chunks are copied into, in bytes. */
const ROOM = 16 * 1024;

/** Chunks in their order; small ones are copied together, so that they take about as much memory as they have bytes. */
export type Chunks = {
  add(chunk: Uint8Array): void;
  /** The chunks since the last call. */
  take(): Uint8Array[];
};

export function createChunks(): Chunks {
  let chunks: Uint8Array[] = [];
  let room = Buffer.alloc(0);
  let used = 0;
  /** Where the part of `room` begins that is in no chunk yet. */
  let from = 0;
  /** The first chunk is usually the only one, and is not copied then. */
  let first: Uint8Array | null = null;
  let isEmpty = true;

  function cut(): void {
    if (used > from) chunks.push(room.subarray(from, used));
    from = used;
  }

  function put(chunk: Uint8Array): void {
    if (chunk.length >= SMALL) {
      cut();
      chunks.push(chunk);
      return;
    }
    if (chunk.length > room.length - used) {
      cut();
      room = Buffer.allocUnsafeSlow(ROOM);
      used = from = 0;
    }
    room.set(chunk, used);
    used += chunk.length;
  }

  return {
    add(chunk) {
      if (isEmpty) {
        isEmpty = false;
        first = chunk;
        return;
      }
      if (first !== null) put(first);
      first = null;
      put(chunk);
    },
    take() {
      cut();
      const taken = first === null ? chunks : [first];
      chunks = [];
      room = Buffer.alloc(0);
      used = from = 0;
      first = null;
      isEmpty = true;
      return taken;
    },
  };
}
