import type { IncomingMessage } from "node:http";
import { createChunks } from "../platform/chunks.ts";

/** The result of reading a body. `tooLarge` has the bytes where there was room for them, `broken` the bytes so far. */
export type BodyRead =
  | { is: "whole"; body: Uint8Array }
  | { is: "tooLarge"; body: Uint8Array | null }
  | { is: "broken"; body: Uint8Array }
  | { is: "busy" };

/** Limits the memory of unfinished requests, in bytes, so that many slow senders cannot use it up. */
export type MemoryLimit = { take(bytes: number): boolean; give(bytes: number): void };

export function createMemoryLimit(limit: number): MemoryLimit {
  let taken = 0;
  return {
    take(bytes) {
      if (taken + bytes > limit) return false;
      taken += bytes;
      return true;
    },
    give(bytes) {
      taken -= bytes;
    },
  };
}

/**
 * Reads a request's body of at most `limit` bytes. A longer one is read up to `keep` bytes, as `spare` allows, so
 * that it can be kept. "broken": the connection ended early.
 */
export function readBody(
  request: IncomingMessage,
  { limit, keep, memory, spare }: { limit: number; keep: number; memory: MemoryLimit; spare: MemoryLimit },
): Promise<BodyRead> {
  const length = Number(request.headers["content-length"] ?? 0);
  if (length > Math.max(limit, keep)) return Promise.resolve({ is: "tooLarge", body: null });
  return new Promise((resolve) => {
    const chunks = createChunks();
    let size = 0;
    let inMemory = 0;
    let inSpare = 0;

    function end(read: BodyRead): void {
      request.off("data", take).off("end", whole).off("close", broken).off("error", broken);
      memory.give(inMemory);
      spare.give(inSpare);
      if (read.is === "tooLarge" || read.is === "busy") request.pause();
      resolve(read);
    }
    function take(chunk: Uint8Array): void {
      size += chunk.length;
      if (size > limit) {
        if (size > keep || !spare.take(chunk.length)) return end({ is: "tooLarge", body: null });
        inSpare += chunk.length;
      } else {
        if (!memory.take(chunk.length)) return end({ is: "busy" });
        inMemory += chunk.length;
      }
      chunks.add(chunk);
    }
    const taken = () => {
      const all = chunks.take();
      return all.length === 1 ? all[0]! : Buffer.concat(all);
    };
    function whole(): void {
      end({ is: size > limit ? "tooLarge" : "whole", body: taken() });
    }
    function broken(): void {
      end({ is: "broken", body: taken() });
    }
    request.on("data", take).on("end", whole).on("close", broken).on("error", broken);
  });
}
