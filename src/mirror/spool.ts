import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { NeverMedia, OwnTrouble, ours } from "./trouble.ts";

/** Chunks of the network are small; written together they cost a quarter of the time. */
const BATCH = 2 ** 20;

/** Batches on their way to the disk while the next one is read: bounds the memory of a download. */
const IN_FLIGHT = 2;

/** After how many bytes the free space is looked at again, and the disk is asked to begin with what it got so far. */
const STRETCH = 64 * 2 ** 20;

const PART = ".part";

/** Where the download of a medium is written until it is known to be good. */
export function partOf(spoolDir: string, mediumId: string): string {
  return join(spoolDir, `${encodeURIComponent(mediumId)}${PART}`);
}

/** Removes what downloads of an earlier run have left; returns how many. The folder is created where it is missing. */
export async function sweepSpool(spoolDir: string): Promise<number> {
  await mkdir(spoolDir, { recursive: true, mode: 0o700 });
  const parts = (await readdir(spoolDir)).filter((name) => name.endsWith(PART));
  await Promise.all(parts.map((name) => rm(join(spoolDir, name), { force: true })));
  return parts.length;
}

/** Throws OwnTrouble where `bytes` more would leave less than `minFree` bytes on the spool's disk. */
export async function checkRoom(spoolDir: string, bytes: number, minFree: number): Promise<void> {
  const { bavail, bsize } = await ours("free space", () => statfs(spoolDir));
  const free = bavail * bsize;
  if (free - bytes >= minFree) return;
  const wish = bytes > 0 ? `${bytes} bytes are to come, and ` : "";
  throw new OwnTrouble(
    `too little room in ${spoolDir}: ${free} bytes are free, ${wish}mirror.minFreeDisk keeps ${minFree}; free some`,
  );
}

/**
 * Writes a body to a new file, durably, and sums it up on the way. Reading, hashing and writing overlap; what the disk
 * cannot take yet is not read. The chunks are taken over: their memory is gone once they are written. Throws NeverMedia beyond `maxSize`, OwnTrouble where the disk fails, and what the body throws.
 */
export async function spoolBody(
  body: AsyncIterable<Uint8Array>,
  options: {
    path: string;
    maxSize: number;
    /** Told after every chunk. */
    onBytes(bytes: number): void;
    /** Asked now and then whether there still is room. */
    checkRoom(): Promise<void>;
  },
): Promise<{ bytes: number; sha256: string }> {
  const { path, maxSize } = options;
  const file = await ours("spool", async () => {
    // Never written over: after a crash the old one may be the very file that the target has linked.
    await rm(path, { force: true });
    return open(path, "wx", 0o640);
  });
  const hash = createHash("sha256");
  const writes = createWrites(file);
  let bytes = 0;
  let stretchEnd = STRETCH;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > maxSize) throw new NeverMedia(`it is larger than mirror.maxSize, ${maxSize} bytes`);
      options.onBytes(bytes);
      hash.update(chunk);
      if (writes.add(chunk)) await writes.makeRoom();
      if (bytes < stretchEnd) continue;
      stretchEnd += STRETCH;
      writes.sync();
      await options.checkRoom();
    }
    await ours("spool", async () => {
      await writes.end();
      await file.sync();
    });
    return { bytes, sha256: hash.digest("hex") };
  } finally {
    await writes.settle();
    await file.close();
  }
}

/** Collects chunks, and writes them in order, a batch at a time, without copying them. */
function createWrites(file: FileHandle) {
  let chunks: Uint8Array[] = [];
  let size = 0;
  let position = 0;
  let last = Promise.resolve();
  let flying: Promise<void>[] = [];
  const syncs: Promise<void>[] = [];
  let isSyncing = false;

  function write(): void {
    const [batch, at, length] = [chunks, position, size];
    chunks = [];
    position += size;
    size = 0;
    // One after the other: two writes to one file at once spin on its lock, and cost a second core.
    last = last.then(() => writeAll(file, batch, at, length)).then(() => release(batch));
    last.catch(() => {}); // Whoever waits for it hears of it.
    flying.push(last);
  }

  return {
    /** True when a batch is full: make room before adding more. */
    add(chunk: Uint8Array): boolean {
      chunks.push(chunk);
      size += chunk.length;
      return size >= BATCH;
    },
    async makeRoom(): Promise<void> {
      write();
      if (flying.length > IN_FLIGHT) await ours("spool", () => flying.shift()!);
    },
    /** Lets the disk work while the rest is still on its way, so that the last sync is short. */
    sync(): void {
      if (isSyncing) return;
      isSyncing = true;
      const synced = file.datasync().finally(() => {
        isSyncing = false;
      });
      synced.catch(() => {});
      syncs.push(synced);
    },
    /** Waits for all of it. A disk reports a lost write to one sync only, so each of them is heard. */
    async end(): Promise<void> {
      if (size > 0) write();
      await Promise.all([...flying, ...syncs]);
    },
    async settle(): Promise<void> {
      await Promise.allSettled([...flying, ...syncs]);
      flying = [];
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
