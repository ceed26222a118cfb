import { createReadStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { pipeline, type Transform } from "node:stream";
import { createBrotliDecompress, createInflateRaw, createUnzip, createZstdDecompress } from "node:zlib";
import { errorLine } from "../../errors.ts";
import { asLocalFailure, LocalFailure, localFailure, PermanentFailure } from "../errors.ts";
import { writeBody } from "./write-body.ts";

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
  const { to, coding } = options;
  const codings = codingsIn(coding).reverse();
  if (codings.length > MAX_CODINGS) return { bytes: 0, why: "it has too many codings" };
  const unknown = codings.find((each) => DECODERS[each] === undefined);
  if (unknown !== undefined) return { bytes: 0, why: `there is no decoder for ${unknown}` };
  const decoders = codings.map((each) => DECODERS[each]!);
  let result = await decode(decoders, options);
  // Some hosts send deflate without the header of zlib (RFC 9110 §8.4.1.2).
  if (result.why !== null && result.bytes === 0 && codings[0] === "deflate") {
    result = await decode([createInflateRaw, ...decoders.slice(1)], options);
  }
  if (result.bytes === 0) await rm(to, { force: true });
  return result;
}

async function decode(
  creators: (() => Transform)[],
  { from, to, maxSize, checkSpace, signal }: Parameters<typeof unpack>[0],
): Promise<Unpacked> {
  await asLocalFailure("spool", () => rm(to, { force: true }));
  const file = await asLocalFailure("spool", () => open(to, "wx", 0o640));
  const read = createReadStream(from, { highWaterMark: PIECE });
  const decoders = creators.map((create) => create());
  const { promise: ended, resolve } = Promise.withResolvers<Error | null>();
  // A stream that fails destroys those behind it with its error.
  const body = pipeline([read, ...decoders], (error) => resolve(error ?? null)) as Transform;
  let decoded = 0;
  let bytes = 0;
  function onBytes(length: number): void {
    decoded = length;
    signal.throwIfAborted();
  }
  async function onDurable(length: number): Promise<void> {
    bytes = length;
  }
  try {
    await writeBody(body, { file, from: 0, maxSize, onBytes, onWritten() {}, onDurable, checkSpace });
    signal.throwIfAborted();
    // A decoder may fail behind the end of what it gave: of several frames of zstd only the first is decoded.
    const late = await ended;
    if (late !== null) throw late;
    return { bytes, why: null };
  } catch (error) {
    // The disk's errors name their system call; any other is of a decoder.
    const isOther = error instanceof PermanentFailure || error instanceof LocalFailure;
    const isOfDecoder = !isOther && !(error instanceof Error && "syscall" in error);
    if (isOfDecoder && !signal.aborted && bytes === decoded) return { bytes, why: errorLine(error) };
    await rm(to, { force: true }).catch(() => {}); // The next start removes it.
    signal.throwIfAborted();
    if (error instanceof PermanentFailure) throw new PermanentFailure(`unpacked ${error.message}`);
    throw localFailure("spool", isOfDecoder ? new Error(`the disk took ${bytes} of ${decoded} bytes`) : error);
  } finally {
    await file.close();
  }
}
