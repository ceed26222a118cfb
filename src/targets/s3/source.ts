import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { SpoolChanged } from "../target.ts";

/** A file for an upload, read once from beginning to end. */
export type Source = Awaited<ReturnType<typeof openSource>>;

/**
 * Opens a file of known size and sha256 (hex); the sha256 is checked only with `again` (target.ts). Throws the system's
 * errors, and SpoolChanged for another size.
 */
export async function openSource(file: string, known: { bytes: number; sha256: string; again: boolean }) {
  const handle = await open(file, "r");
  const changed = (how: string) => new SpoolChanged(`${file} is not what was downloaded: ${how}`);
  const size = await sizeOf(handle);
  if (size !== known.bytes) {
    await handle.close();
    throw changed(`it has ${size} bytes and not ${known.bytes}`);
  }
  // A file that was just proven has not changed, and the sum of a gigabyte costs most of a second of a processor.
  const hash = known.again ? createHash("sha256") : null;
  let at = 0;
  return {
    bytes: size,
    /** Fills the buffer with the next bytes. Throws SpoolChanged where the file ends too early. */
    async fill(buffer: Buffer): Promise<void> {
      for (let filled = 0; filled < buffer.length; ) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, at + filled);
        if (bytesRead === 0) throw changed(`it ends after ${at + filled} of ${known.bytes} bytes`);
        filled += bytesRead;
      }
      at += buffer.length;
      hash?.update(buffer);
    },
    /** Throws SpoolChanged unless all that was read has the known sha256. */
    prove(): void {
      if (hash !== null && hash.digest("hex") !== known.sha256) throw changed("its sha256 is another one");
    },
    close: () => handle.close(),
  };
}

async function sizeOf(handle: FileHandle): Promise<number> {
  try {
    return (await handle.stat()).size;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
