import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
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
import type { Connection } from "./connection.ts";
import type { Description } from "./describe.ts";
import type { Leftovers } from "./leftovers.ts";
import type { Pool } from "./pool.ts";
import type { Source } from "./source.ts";
import { S3Trouble } from "./trouble.ts";

const MIB = 2 ** 20;

/** Bytes. Larger files go in parts of this size. */
export const PART_SIZE = 8 * MIB;

/** Stores take 10,000 parts (AWS, "Multipart upload limits"); some room is left. */
const MOST_PARTS = 9_000;

/** A part is tried this often, beside what the client itself repeats, before hours of upload are given up. */
const PART_TRIES = 4;

/** Milliseconds before the second try of a part; then twice as long each time. */
const PART_WAIT = 500;

/** Bytes of a part of a file of this length. All parts but the last are equal: some stores insist. */
export function partSizeOf(length: number): number {
  return Math.max(PART_SIZE, Math.ceil(length / MOST_PARTS / MIB) * MIB);
}

export type Upload = {
  name: string;
  source: Source;
  description: Description;
  /** Whether the object is there, just as it should be: asked where an answer that decides was lost. */
  isThere(): Promise<boolean>;
  /** The ETag that the object should have is worked out: it costs a sum more. */
  wantsTag: boolean;
};

/** An ETag as most stores make it: the MD5 of the object, or of the MD5s of its parts, and their number. */
const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest();
const tagOfParts = (sums: Buffer[]) => `${md5(Buffer.concat(sums)).toString("hex")}-${sums.length}`;

/**
 * How files get into the bucket: small ones in one piece, others in parts. Bodies are buffers, never streams: what was read
 * is what was hashed, what was signed and what is sent again. Nothing is visible before all of it is there and is what was
 * proven; where that fails, or the signal says so, no part stays behind as far as the store can be reached.
 * Gives the ETag that the object should have, where that is wanted. Throws S3Trouble, SpoolChanged, or the signal's reason.
 */
export function createUploads(options: {
  connection: Connection;
  leftovers: Leftovers;
  pool: Pool;
  clock: Clock;
}): (upload: Upload, signal: AbortSignal) => Promise<string | null> {
  const { connection, leftovers, pool, clock } = options;
  const { client, bucket, ask, timeout } = connection;

  async function putWhole(upload: Upload, signal: AbortSignal): Promise<string | null> {
    const { name, source, description, wantsTag } = upload;
    const lease = await pool.take(source.bytes, signal);
    try {
      await source.fill(lease.buffer);
      source.prove();
      const command = new PutObjectCommand({ Bucket: bucket, Key: name, Body: lease.buffer, ...description });
      const stop = new AbortController();
      // Where only the lease is lost the answer is waited for: what the store has taken in may come to light after whatever
      // is done to this name next, over a newer copy or after a deletion.
      const heed = () => {
        if (!(signal.reason instanceof LeaseLost)) stop.abort(signal.reason);
      };
      if (signal.aborted) heed();
      signal.addEventListener("abort", heed, { once: true });
      try {
        await ask("PutObject", client.send(command, { abortSignal: stop.signal, ...timeout(source.bytes) }), signal);
        return wantsTag ? md5(lease.buffer).toString("hex") : null;
      } finally {
        signal.removeEventListener("abort", heed);
      }
    } finally {
      lease.release();
    }
  }

  /** Not by the signal: an upload whose id never arrived could not be aborted. */
  async function begin({ name, description }: Upload): Promise<string> {
    const command = new CreateMultipartUploadCommand({ Bucket: bucket, Key: name, ...description });
    const { UploadId } = await ask("CreateMultipartUpload", client.send(command, timeout()));
    if (!UploadId) throw strange("it began an upload without an id");
    leftovers.mine.add(UploadId);
    return UploadId;
  }

  async function sendPart(id: string, name: string, number: number, body: Buffer, signal: AbortSignal) {
    for (let tries = 1; ; tries++) {
      try {
        const command = new UploadPartCommand({
          Bucket: bucket,
          Key: name,
          UploadId: id,
          PartNumber: number,
          Body: body,
        });
        const answer = client.send(command, { abortSignal: signal, ...timeout(body.length) });
        const { ETag } = await ask("UploadPart", answer, signal);
        if (!ETag) throw strange("it took a part without giving its tag");
        return { PartNumber: number, ETag };
      } catch (error) {
        if (tries === PART_TRIES || !(error instanceof S3Trouble && error.passing)) throw error;
        await sleep(PART_WAIT * 2 ** (tries - 1), clock, signal);
        signal.throwIfAborted();
      }
    }
  }

  /** Tells each part's MD5 to `sums`, where the object's ETag is wanted. */
  async function sendParts(
    id: string,
    { name, source, wantsTag }: Upload,
    sums: Buffer[],
    signal: AbortSignal,
  ): Promise<CompletedPart[]> {
    const parts: CompletedPart[] = [];
    const running = new Set<Promise<void>>();
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const size = partSizeOf(source.bytes);
    try {
      for (let at = 0; at < source.bytes; at += size) {
        const lease = await pool.take(Math.min(size, source.bytes - at), either);
        await source.fill(lease.buffer).catch((error) => {
          lease.release();
          throw error;
        });
        if (wantsTag) sums.push(md5(lease.buffer));
        const part = sendPart(id, name, at / size + 1, lease.buffer, either)
          .then(
            (sent) => void parts.push(sent),
            (error) => stop.abort(error),
          )
          .finally(() => {
            lease.release();
            running.delete(part);
          });
        running.add(part);
      }
      await Promise.all(running);
      either.throwIfAborted();
      source.prove();
      return parts.sort((one, other) => one.PartNumber! - other.PartNumber!);
    } catch (error) {
      stop.abort(error);
      // A part that arrives after the abort would stay.
      await Promise.all(running);
      throw error;
    }
  }

  /** Not by the signal either: what is asked to be made visible will be, sooner or later. */
  async function complete(id: string, { name, isThere }: Upload, parts: CompletedPart[]): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      Bucket: bucket,
      Key: name,
      UploadId: id,
      MultipartUpload: { Parts: parts },
    });
    await ask("CompleteMultipartUpload", client.send(command, timeout())).catch(async (error) => {
      if (!(await isThere().catch(() => false))) throw error;
    });
  }

  return async (upload, signal) => {
    if (upload.source.bytes <= PART_SIZE) return putWhole(upload, signal);
    signal.throwIfAborted();
    const id = await begin(upload);
    try {
      const sums: Buffer[] = [];
      const parts = await sendParts(id, upload, sums, signal);
      await complete(id, upload, parts);
      // The answer to a first "begin" may have been lost, and the request made again, by whoever: then there were two.
      await leftovers.clearName(upload.name);
      return upload.wantsTag ? tagOfParts(sums) : null;
    } catch (error) {
      // What cannot be aborted now is swept by the next try; the first error is the one to tell.
      await leftovers.abort(upload.name, id).catch(() => {});
      throw error;
    } finally {
      leftovers.mine.delete(id);
    }
  };
}

function strange(line: string): S3Trouble {
  return new S3Trouble(`the store is none that can be relied on: ${line}`, {
    what: "Strange",
    status: 200,
    passing: false,
  });
}
