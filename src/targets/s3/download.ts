import type { Readable } from "node:stream";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { sha256Of } from "../../platform/files/sha256.ts";
import type { Clock } from "../../ports.ts";
import type { Connection } from "./connection.ts";
import { nullWhereMissing, S3Error } from "./errors.ts";

/**
 * All bytes of an object; null: there is none. Throws S3Error where the body ends early, or `silence` milliseconds pass
 * without data; the signal's reason when it is aborted.
 */
export async function readObject(
  { bucket, send }: Connection,
  name: string,
  { clock, silence, signal }: { clock: Clock; silence: number; signal: AbortSignal },
): Promise<AsyncIterable<Uint8Array> | null> {
  const command = new GetObjectCommand({ Bucket: bucket, Key: name });
  const found = await send("GetObject", command, { signal }).catch(nullWhereMissing);
  if (found === null) return null;
  const body = found.Body as Readable;
  // Without a listener an error between two reads would end the process. The reader gets the error from the iteration.
  body.on("error", () => {});
  return readBody(body, found.ContentLength ?? null, { what: `s3 bucket ${bucket}: ${name}`, clock, silence, signal });
}

async function* readBody(
  body: Readable,
  length: number | null,
  { what, clock, silence, signal }: { what: string; clock: Clock; silence: number; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const broken = (line: string) => new S3Error(`${what}: ${line}`, { what: "Broken", status: 200, passing: true });
  const stop = () => body.destroy(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const late = () => broken(`nothing came for ${silence / 1000} s`);
  let cancel = () => {};
  const watch = () => {
    cancel = clock.after(silence, () => body.destroy(late()));
  };
  let bytes = 0;
  try {
    watch();
    for await (const chunk of body) {
      // The limit does not include the reader's time.
      cancel();
      bytes += chunk.length;
      yield chunk;
      watch();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof S3Error) throw error;
    // The client's own time limit was first.
    if ((error as Error).name === "TimeoutError" && !(error as { code?: string }).code) throw late();
    throw broken(`the connection broke after ${bytes} bytes (${(error as { code?: string }).code ?? "error"})`);
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
    body.destroy();
  }
  if (length !== null && bytes !== length) throw broken(`it ended after ${bytes} of ${length} bytes`);
}

/** The sha256 (hex) of an object's bytes; null: there is none. */
export async function hashObject(
  connection: Connection,
  name: string,
  options: Parameters<typeof readObject>[2],
): Promise<string | null> {
  const bytes = await readObject(connection, name, options);
  return bytes === null ? null : sha256Of(bytes);
}
