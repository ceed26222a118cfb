import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import { createChunks } from "../../platform/chunks.ts";
import { NeverMedia, ours } from "../errors.ts";

/** Chunks of the network are small; written together they cost a quarter of the time. */
const BATCH = 2 ** 20;

/** Batches on their way to the disk while the next one is read: bounds the memory of a download. */
const IN_FLIGHT = 2;

/** After how many bytes what came so far is made durable, and the free space is looked at again. */
const STRETCH = 16 * 2 ** 20;

/**
 * Writes a body into `file`, behind the `from` bytes that are there, and makes it durable; returns the length of the whole.
 * Reading and writing overlap; what the disk cannot take yet is not read. The chunks are taken over: their memory is gone
 * once they are written. Also where the body breaks off, what came is made durable before this throws: NeverMedia
 * beyond `maxSize`, OwnTrouble where the disk fails, and what the body throws.
 */
export async function writeBody(
  body: Readable,
  options: {
    file: FileHandle;
    from: number;
    maxSize: number;
    /** Told after every chunk how long the file is now. */
    onBytes(length: number): void;
    /** Told after every batch how much of the file can be read back. */
    onWritten(length: number): void;
    /** Told how much of the file is on the disk for good. */
    onDurable(length: number): Promise<void>;
    /** Asked now and then whether there still is room. */
    checkRoom(): Promise<void>;
  },
): Promise<number> {
  const { from, maxSize } = options;
  const writes = createWrites(options);
  let length = from;
  let stretchEnd = from + STRETCH;

  async function endStretch(): Promise<void> {
    stretchEnd += STRETCH;
    writes.sync();
    await options.checkRoom();
  }

  try {
    await readAll(body, (chunk) => {
      length += chunk.length;
      if (length > maxSize) throw new NeverMedia(`it is larger than mirror.maxSize, ${maxSize} bytes`);
      options.onBytes(length);
      const room = writes.add(chunk);
      return length < stretchEnd ? room : Promise.all([room, endStretch()]);
    });
  } catch (error) {
    // The cause is what matters, not what may go wrong on the way out.
    await writes.end().catch(() => {});
    throw error;
  }
  await ours("spool", () => writes.end());
  return length;
}

/** Hands every chunk of a body to `take`; while the promise that it may return is pending, no other. */
function readAll(body: Readable, take: (chunk: Uint8Array) => Promise<unknown> | null): Promise<void> {
  return new Promise((resolve, reject) => {
    function fail(error: unknown): void {
      reject(error);
      body.off("data", onData);
      body.destroy();
    }
    function onData(chunk: Uint8Array): void {
      try {
        const ready = take(chunk);
        if (ready === null) return;
        body.pause();
        ready.then(() => body.resume(), fail);
      } catch (error) {
        fail(error);
      }
    }
    const lost = () => fail(body.errored ?? new Error("the connection was lost"));
    if (body.destroyed) return lost();
    body.on("end", resolve).on("error", fail).on("close", lost).on("data", onData);
  });
}

/** Collects chunks, and writes them in order, a batch at a time, without copying those that are not small. */
function createWrites({
  file,
  from,
  onWritten,
  onDurable,
}: {
  file: FileHandle;
  from: number;
  onWritten(length: number): void;
  onDurable(length: number): Promise<void>;
}) {
  const chunks = createChunks();
  let size = 0;
  let position = from;
  let durable = from;
  let last = Promise.resolve();
  const flying: Promise<void>[] = [];
  let syncing: Promise<void> | null = null;

  function write(): void {
    const [batch, at, length] = [chunks.take(), position, size];
    position += size;
    size = 0;
    // One after the other: two writes to one file at once spin on its lock, and cost a second core.
    last = last
      .then(() => writeAll(file, batch, at, length))
      .then(() => {
        release(batch);
        onWritten(at + length);
      });
    last.catch(() => {}); // Whoever waits for it hears of it.
    flying.push(last);
  }

  async function sync(): Promise<void> {
    const length = position;
    await last;
    await file.datasync();
    durable = length;
    await onDurable(length);
  }

  return {
    /** Where it is not null, nothing more is to be added until it resolves. */
    add(chunk: Uint8Array): Promise<void> | null {
      chunks.add(chunk);
      size += chunk.length;
      if (size < BATCH) return null;
      write();
      return flying.length > IN_FLIGHT ? ours("spool", () => flying.shift()!) : null;
    },
    /** Lets the disk work while the rest is still on its way. A failure is heard at the end, or by the next sync. */
    sync(): void {
      if (syncing !== null) return;
      const mine = sync();
      syncing = mine;
      mine.then(
        () => {
          syncing = null;
        },
        () => {},
      );
    },
    /** Writes and syncs what there is. A disk reports a lost write to one sync only, so each of them is heard. */
    async end(): Promise<void> {
      if (size > 0) write();
      await syncing;
      if (position > durable) await sync();
      else await last;
    },
  };
}

/**
 * Gives the memory of written chunks back at once. Left to the collector, which knows little of what lies outside its heap,
 * 60 MB more pile up, and a gigabyte costs half a second more. A chunk that shares its memory with a neighbour may share it
 * with the batch before or behind; pooled memory refuses.
 */
function release(chunks: Uint8Array[]): void {
  const shared = [chunks[0]?.buffer, chunks.at(-1)?.buffer];
  for (const { buffer } of chunks) {
    if (!(buffer instanceof ArrayBuffer) || buffer.detached || shared.includes(buffer)) continue;
    try {
      buffer.transfer(0);
    } catch {
      return;
    }
  }
}

/** A disk that is nearly full may take less than it was given (write(2)); the rest is asked for again, and then refused. */
async function writeAll(file: FileHandle, chunks: Uint8Array[], position: number, length: number): Promise<void> {
  let { bytesWritten } = await file.writev(chunks, position);
  if (bytesWritten === length) return;
  const rest = Buffer.concat(chunks).subarray(bytesWritten);
  for (let done = 0; done < rest.length; done += bytesWritten) {
    ({ bytesWritten } = await file.write(rest, done, rest.length - done, position + length - rest.length + done));
    if (bytesWritten === 0) throw new Error("the disk takes no more");
  }
}
