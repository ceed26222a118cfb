import type { Buffer } from "node:buffer";
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { LeaseLost } from "../../errors.ts";
import { sleep } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";
import type { About } from "../target.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { Connection } from "./connection.ts";
import { S3Error } from "./errors.ts";
import type { ObjectHeaders } from "./object-headers.ts";
import { PART_SIZE, partSizeOf } from "./part-size.ts";
import type { Source } from "./source.ts";
import type { UnfinishedUploads } from "./unfinished-uploads.ts";

/** Tries of a part, each with the client's own retries, before hours of upload are given up. */
const PART_TRIES = 4;

/** Delay before the second try of a part, in milliseconds; it doubles with each further try. */
const PART_WAIT = 500;

export type Upload = {
  name: string;
  source: Source;
  description: ObjectHeaders;
  /** Called between parts. */
  pace?: About["pace"];
  /** Also where it is small: an upload in parts can be ended by others until it is complete. */
  inParts?: boolean;
  /** Rejects unless the object exists and is complete: asked where the deciding answer was lost. */
  confirm(): Promise<void>;
};

/**
 * Uploads files: small ones in one piece, others in parts. Bodies are buffers, never streams: the bytes that were read
 * are the bytes that are hashed, signed and sent again. The object is visible only when it is complete and proven;
 * after a failure or an abort no part is left, as far as the store can be reached. Throws S3Error, SpoolChanged, or the
 * signal's reason.
 */
export function createUploader(options: {
  connection: Connection;
  unfinished: UnfinishedUploads;
  pool: BufferPool;
  clock: Clock;
}): (upload: Upload, signal: AbortSignal) => Promise<void> {
  const { connection, unfinished, pool, clock } = options;
  const { bucket, send } = connection;

  async function putWhole({ name, source, description }: Upload, signal: AbortSignal): Promise<void> {
    const lease = await pool.take(source.bytes, signal);
    try {
      await source.fill(lease.buffer);
      source.prove();
      const command = new PutObjectCommand({ Bucket: bucket, Key: name, Body: lease.buffer, ...description });
      const stop = new AbortController();
      // A lost lease does not stop the request: the store might still apply it after the next change of this name, over
      // a newer copy or after a deletion.
      const heed = () => {
        if (!(signal.reason instanceof LeaseLost)) stop.abort(signal.reason);
      };
      if (signal.aborted) heed();
      signal.addEventListener("abort", heed, { once: true });
      try {
        await send("PutObject", command, { signal, abort: stop.signal, bytes: source.bytes });
      } finally {
        signal.removeEventListener("abort", heed);
      }
    } finally {
      lease.release();
    }
  }

  /** Not abortable: an upload without a known id could not be aborted later. */
  async function begin({ name, description }: Upload): Promise<string> {
    const command = new CreateMultipartUploadCommand({ Bucket: bucket, Key: name, ...description });
    const { UploadId } = await send("CreateMultipartUpload", command);
    if (!UploadId) throw strange("it began an upload without an id");
    unfinished.mine.add(UploadId);
    return UploadId;
  }

  async function sendPart(id: string, name: string, number: number, body: Buffer, signal: AbortSignal) {
    for (let tries = 1; ; tries++) {
      try {
        const part = { Bucket: bucket, Key: name, UploadId: id, PartNumber: number, Body: body };
        const { ETag } = await send("UploadPart", new UploadPartCommand(part), { signal, bytes: body.length });
        if (!ETag) throw strange("it took a part without giving its tag");
        return { PartNumber: number, ETag };
      } catch (error) {
        if (tries === PART_TRIES || !(error instanceof S3Error && error.passing)) throw error;
        await sleep(PART_WAIT * 2 ** (tries - 1), clock, signal);
        signal.throwIfAborted();
      }
    }
  }

  async function sendParts(id: string, { name, source, pace }: Upload, signal: AbortSignal): Promise<CompletedPart[]> {
    const parts: Promise<CompletedPart>[] = [];
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const size = partSizeOf(source.bytes);
    try {
      for (let at = 0; at < source.bytes; at += size) {
        if (at > 0) await pace?.(size, either);
        const lease = await pool.take(Math.min(size, source.bytes - at), either);
        await source.fill(lease.buffer).catch((error) => {
          lease.release();
          throw error;
        });
        const part = sendPart(id, name, at / size + 1, lease.buffer, either).finally(lease.release);
        part.catch((error) => stop.abort(error));
        parts.push(part);
      }
      const sent = await Promise.all(parts);
      source.prove();
      return sent;
    } catch (error) {
      stop.abort(error);
      // A part that arrives after the abort would stay.
      await Promise.allSettled(parts);
      throw error;
    }
  }

  /** Not abortable either: the store completes what it was asked to, sooner or later. */
  async function complete(id: string, { name, confirm }: Upload, parts: CompletedPart[]): Promise<void> {
    const whole = { Bucket: bucket, Key: name, UploadId: id, MultipartUpload: { Parts: parts } };
    await send("CompleteMultipartUpload", new CompleteMultipartUploadCommand(whole)).catch((error) =>
      confirm().catch(() => Promise.reject(error)),
    );
  }

  return async (upload, signal) => {
    const { bytes } = upload.source;
    if (bytes === 0 || (bytes <= PART_SIZE && !upload.inParts)) return putWhole(upload, signal);
    signal.throwIfAborted();
    const id = await begin(upload);
    try {
      await complete(id, upload, await sendParts(id, upload, signal));
      // The answer to a first "begin" may have been lost and the request repeated: then there are two uploads.
      await unfinished.clearName(upload.name);
    } catch (error) {
      // The next try aborts what this one cannot; the first error is reported.
      await unfinished.abort(upload.name, id).catch(() => {});
      throw error;
    } finally {
      unfinished.mine.delete(id);
    }
  };
}

function strange(line: string): S3Error {
  return new S3Error(`the store cannot be relied on: ${line}`, {
    what: "Strange",
    status: 200,
    passing: false,
  });
}
