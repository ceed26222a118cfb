import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { type Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createChunks } from "../../platform/chunks.ts";
import { asLocalFailure, PermanentFailure } from "../errors.ts";

/** Bytes per write: network chunks are small, and written together cost a quarter of the time. */
const BATCH = 2 ** 20;

/** Batches being written while the next one is read: bounds the memory of a download. */
const IN_FLIGHT = 2;

/** Bytes between two syncs, and between two checks of the free space. */
const STRETCH = 16 * 2 ** 20;

export type BodyWriting = {
  file: FileHandle;
  from: number;
  maxSize: number;
  /** Called after each chunk with the file's length. */
  onBytes(length: number): void;
  /** Called after each batch with the bytes that can be read back. */
  onWritten(length: number): void;
  /** Called after each sync with the bytes that are durable. */
  onDurable(length: number): Promise<void>;
  /** Throws where the disk has no more room. */
  checkSpace(): Promise<void>;
};

/**
 * Writes a body into `file` from position `from`, and makes it durable; returns the length of the whole file. Reading and
 * writing overlap, and a slow disk pauses the reading. The chunks' memory is released once they are written. Where the body
 * fails, what came is made durable before this throws: PermanentFailure beyond `maxSize`, LocalFailure where the disk fails,
 * else the body's error.
 */
export async function writeBody(body: Readable, options: BodyWriting): Promise<number> {
  const { from, maxSize } = options;
  const writes = createWrites(options);
  let length = from;
  let stretchEnd = from + STRETCH;

  async function take(chunk: Uint8Array): Promise<unknown> {
    length += chunk.length;
    if (length > maxSize) throw new PermanentFailure(`it is larger than mirror.maxSize, ${maxSize} bytes`);
    options.onBytes(length);
    const ready = writes.add(chunk);
    if (length < stretchEnd) return ready;
    stretchEnd += STRETCH;
    // Begun before anything is awaited, so that `end` waits for it.
    writes.sync();
    return Promise.all([ready, options.checkSpace()]);
  }

  // Costs less than a loop over the body, which joins its chunks.
  const write: Writable["_write"] = (chunk, _encoding, done) => void take(chunk).then(() => done(), done);
  try {
    await pipeline(body, new Writable({ write }));
  } catch (error) {
    // The first error matters, not one that follows from it.
    await writes.end().catch(() => {});
    throw error;
  }
  await asLocalFailure("spool", () => writes.end());
  return length;
}

/** Writes chunks in order, in batches; only small ones are copied. */
function createWrites({ file, from, onWritten, onDurable }: BodyWriting) {
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
    // One at a time: two writes to one file spin on its lock, and cost a second core.
    last = last
      .then(() => writeAll(file, batch, at, length))
      .then(() => {
        release(batch);
        onWritten(at + length);
      });
    last.catch(() => {}); // It is thrown where `last` is awaited.
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
    /** Null, or a promise to wait for before the next chunk. */
    add(chunk: Uint8Array): Promise<void> | null {
      chunks.add(chunk);
      size += chunk.length;
      if (size < BATCH) return null;
      write();
      return flying.length > IN_FLIGHT ? asLocalFailure("spool", () => flying.shift()!) : null;
    },
    /** Syncs while the rest is read. A failure is thrown by `end`. */
    sync(): void {
      if (syncing !== null) return;
      syncing = sync().then(() => {
        syncing = null;
      });
      syncing.catch(() => {}); // It is thrown where `syncing` is awaited.
    },
    /** Writes and syncs the rest. A disk reports a lost write to one sync only, so each sync is awaited. */
    async end(): Promise<void> {
      if (size > 0) write();
      await syncing;
      if (position > durable) await sync();
      else await last;
    },
  };
}

/**
 * Frees the memory of written chunks at once: left to the garbage collector it is 60 MB more, and half a second per gigabyte.
 * The first and last chunk may share memory with a neighbouring batch. Pooled memory cannot be transferred.
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

/** A disk that is nearly full may write less than asked (write(2)); writing the rest then fails with the reason. */
async function writeAll(file: FileHandle, chunks: Uint8Array[], position: number, length: number): Promise<void> {
  let { bytesWritten } = await file.writev(chunks, position);
  if (bytesWritten === length) return;
  const rest = Buffer.concat(chunks).subarray(bytesWritten);
  for (let done = 0; done < rest.length; done += bytesWritten) {
    ({ bytesWritten } = await file.write(rest, done, rest.length - done, position + length - rest.length + done));
    if (bytesWritten === 0) throw new Error("the disk takes no more");
  }
}
