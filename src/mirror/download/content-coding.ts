import { createReadStream, createWriteStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createInflateRaw, createUnzip, createZstdDecompress } from "node:zlib";
import { errorLine } from "../../errors.ts";
import { NeverMedia, OwnTrouble, ours } from "../errors.ts";

/** The free space is looked at again after this many bytes. */
const STRETCH = 16 * 2 ** 20;

const PIECE = 2 ** 20;

/** `unzip` reads the header: a file that is called gzip and is deflate, or the other way round, is unpacked all the same. */
const DECODERS: Record<string, () => Transform> = {
  gzip: createUnzip,
  "x-gzip": createUnzip,
  deflate: createUnzip,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** Codings that pack (RFC 9110 §8.4.1); of some there is no decoder here. */
const PACKED = new Set([...Object.keys(DECODERS), "compress", "x-compress", "dcb", "dcz"]);

/** More codings than this, one over the other, are no file: each takes memory, and a head has room for tens of thousands. */
const MAX_CODINGS = 5;

/**
 * The codings that pack among those that a header names, lower case, in the order in which they were applied; the last
 * few of too many. Labels that pack nothing, like the `aws-chunked` and `utf-8` that some tools leave on an object, lose no video.
 */
export function codingsIn(coding: string): string[] {
  return coding
    .split(",")
    .map((each) => each.trim().toLowerCase())
    .filter((each) => PACKED.has(each))
    .slice(-MAX_CODINGS - 1);
}

/** How much came out, on the disk for good; and why not all of it did, null: all did. */
export type Unpacked = { bytes: number; why: string | null };

/**
 * Unpacks the file `from` into the new file `to`, by codings as a Content-Encoding names them. What does not unpack leaves
 * what came out before. Throws NeverMedia beyond `maxSize`, OwnTrouble where the disk fails or is full, and the signal's reason.
 */
export async function unpack(options: {
  from: string;
  to: string;
  coding: string;
  maxSize: number;
  checkRoom(): Promise<void>;
  signal: AbortSignal;
}): Promise<Unpacked> {
  const { to, coding, signal } = options;
  const codings = codingsIn(coding).reverse();
  if (codings.length > MAX_CODINGS) return { bytes: 0, why: "it is packed more often than any file is" };
  const unknown = codings.find((each) => DECODERS[each] === undefined);
  if (unknown !== undefined) return { bytes: 0, why: `there is no decoder for ${unknown}` };
  // Some send deflate without the header of zlib (RFC 9110 §8.4.1.2).
  const plans = [codings.map((each) => DECODERS[each]!)];
  if (codings[0] === "deflate") plans.push([createInflateRaw, ...plans[0]!.slice(1)]);
  let result: Unpacked = { bytes: 0, why: null };
  for (const plan of plans) {
    result = await run(
      plan.map((create) => create()),
      options,
    );
    signal.throwIfAborted();
    if (result.why === null || result.bytes > 0) break;
  }
  if (result.bytes === 0) await rm(to, { force: true });
  return result;
}

async function run(
  decoders: Transform[],
  { from, to, maxSize, checkRoom, signal }: Parameters<typeof unpack>[0],
): Promise<Unpacked> {
  let length = 0;
  let looked = 0;
  const meter = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      length += chunk.length;
      if (length > maxSize) return done(new NeverMedia(`unpacked it is larger than mirror.maxSize, ${maxSize} bytes`));
      if (length - looked < STRETCH) return done(null, chunk);
      looked = length;
      checkRoom().then(() => done(null, chunk), done);
    },
  });
  let why: string | null = null;
  for (const decoder of decoders) {
    decoder.on("error", (error) => {
      // A stream that fails destroys its neighbours with its own error: those of the disk name their system call.
      if (!("syscall" in error)) why ??= errorLine(error);
    });
  }
  await ours("spool", () => rm(to, { force: true }));
  const read = createReadStream(from, { highWaterMark: PIECE });
  const write = createWriteStream(to, { highWaterMark: PIECE, flags: "wx", mode: 0o640, flush: true });
  try {
    await pipeline([read, ...decoders, meter, write], { signal });
    return { bytes: length, why: null };
  } catch (error) {
    const isOther = error instanceof NeverMedia || error instanceof OwnTrouble;
    if (signal.aborted || isOther || why === null) {
      await rm(to, { force: true }).catch(() => {}); // The next start removes it.
      signal.throwIfAborted();
      throw isOther ? error : new OwnTrouble(`spool: ${errorLine(error)}`, { doing: "spool", cause: error });
    }
    return { bytes: await ours("spool", async () => (await stat(to).catch(() => null))?.size ?? 0), why };
  }
}
