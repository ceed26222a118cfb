import { createReadStream, createWriteStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createInflateRaw, createUnzip, createZstdDecompress } from "node:zlib";
import { errorLine } from "../../errors.ts";
import { asLocalFailure, LocalFailure, localFailure, PermanentFailure } from "../errors.ts";

/** Bytes between two checks of the free space. */
const STRETCH = 16 * 2 ** 20;

const PIECE = 2 ** 20;

/** `unzip` goes by the header: gzip that is named deflate, and the reverse, are decoded, too. */
const DECODERS: Record<string, () => Transform> = {
  gzip: createUnzip,
  "x-gzip": createUnzip,
  deflate: createUnzip,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** Codings that change the bytes (RFC 9110 §8.4.1); some have no decoder here. */
const PACKED = new Set([...Object.keys(DECODERS), "compress", "x-compress", "dcb", "dcz"]);

/** More nested codings than this are refused: each takes memory, and a head has room for tens of thousands. */
const MAX_CODINGS = 5;

/**
 * The codings of a header, in lower case, in the order in which they were applied; of too many the last few. Labels that change
 * no bytes, like the `aws-chunked` and `utf-8` that some tools leave on an object, are ignored.
 */
export function codingsIn(coding: string): string[] {
  return coding
    .split(",")
    .map((each) => each.trim().toLowerCase())
    .filter((each) => PACKED.has(each))
    .slice(-MAX_CODINGS - 1);
}

/** The durable bytes of the decoded file, and why it is not whole; null: it is. */
export type Unpacked = { bytes: number; why: string | null };

/**
 * Decodes the file `from` into the new file `to`, by codings as in a Content-Encoding. Where that fails, `to` keeps what was
 * decoded before. Throws PermanentFailure beyond `maxSize`, LocalFailure where the disk fails, and the signal's reason.
 */
export async function unpack(options: {
  from: string;
  to: string;
  coding: string;
  maxSize: number;
  checkSpace(): Promise<void>;
  signal: AbortSignal;
}): Promise<Unpacked> {
  const { to, coding, signal } = options;
  const codings = codingsIn(coding).reverse();
  if (codings.length > MAX_CODINGS) return { bytes: 0, why: "it has too many codings" };
  const unknown = codings.find((each) => DECODERS[each] === undefined);
  if (unknown !== undefined) return { bytes: 0, why: `there is no decoder for ${unknown}` };
  const decoders = codings.map((each) => DECODERS[each]!);
  let result = await run(decoders, options);
  // Some hosts send deflate without the header of zlib (RFC 9110 §8.4.1.2).
  if (result.why !== null && result.bytes === 0 && codings[0] === "deflate") {
    signal.throwIfAborted();
    result = await run([createInflateRaw, ...decoders.slice(1)], options);
  }
  signal.throwIfAborted();
  if (result.bytes === 0) await rm(to, { force: true });
  return result;
}

async function run(
  creators: (() => Transform)[],
  { from, to, maxSize, checkSpace, signal }: Parameters<typeof unpack>[0],
): Promise<Unpacked> {
  const decoders = creators.map((create) => create());
  let length = 0;
  let checked = 0;
  const meter = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      length += chunk.length;
      if (length > maxSize)
        return done(new PermanentFailure(`unpacked it is larger than mirror.maxSize, ${maxSize} bytes`));
      if (length - checked < STRETCH) return done(null, chunk);
      checked = length;
      checkSpace().then(() => done(null, chunk), done);
    },
  });
  let why: string | null = null;
  for (const decoder of decoders) {
    decoder.on("error", (error) => {
      // A failing stream destroys its neighbours with its own error; the disk's errors name their system call.
      if (!("syscall" in error)) why ??= errorLine(error);
    });
  }
  await asLocalFailure("spool", () => rm(to, { force: true }));
  const read = createReadStream(from, { highWaterMark: PIECE });
  const write = createWriteStream(to, { highWaterMark: PIECE, flags: "wx", mode: 0o640, flush: true });
  try {
    await pipeline([read, ...decoders, meter, write], { signal });
    return { bytes: length, why: null };
  } catch (error) {
    const isOther = error instanceof PermanentFailure || error instanceof LocalFailure;
    if (signal.aborted || isOther || why === null) {
      await rm(to, { force: true }).catch(() => {}); // The next start removes it.
      signal.throwIfAborted();
      throw isOther ? error : localFailure("spool", error);
    }
    return { bytes: await asLocalFailure("spool", async () => (await stat(to).catch(() => null))?.size ?? 0), why };
  }
}
