import { createHash } from "node:crypto";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import type { Medium } from "../../model/medium.ts";
import { freeBytes } from "../../platform/files/disk-space.ts";
import { makeFolder, nullWhereMissing } from "../../platform/files/file-system.ts";
import type { MirrorTarget } from "../../targets/target.ts";
import { asLocalFailure, LocalFailure } from "../errors.ts";
import { startChecksum } from "../spool/checksum.ts";
import { spoolPaths } from "../spool/spool.ts";

/** A medium with a copy. */
export type Kept = Medium & { target: string; key: string; bytes: number; sha256: string; contentType: string };

/** What is where a copy was: a file of this machine that is it, until `end`; or why there is none. */
export type Source = { file: string; isOwn: boolean; end(): Promise<void> } | { why: string };

type Pace = (bytes: number, signal: AbortSignal) => Promise<void>;

/**
 * The copy of a medium as a file that is proven by its size and sha256: the target's own, else one in the spool that is read from
 * there. Throws what the target throws, and LocalFailure where the spool has no room.
 */
export async function readSource(
  { id, key, bytes, sha256 }: Kept,
  { target, spoolDir, minFree, pace }: { target: MirrorTarget; spoolDir: string; minFree: number; pace: Pace },
  signal: AbortSignal,
): Promise<Source> {
  const own = await target.file(key);
  if (own !== null) return (await proven(own)) ?? { file: own, isOwn: true, end: async () => {} };
  const { moved } = spoolPaths(spoolDir, id);
  const end = () => rm(moved, { force: true });
  try {
    await asLocalFailure("spool", () => makeFolder(spoolDir));
    const free = await asLocalFailure("disk space", () => freeBytes(spoolDir));
    if (free - bytes < minFree) {
      throw new LocalFailure("disk space", `too little room in ${spoolDir} for a copy of ${bytes} bytes: free some`);
    }
    const why = await write(moved);
    if (why === null) return { file: moved, isOwn: false, end };
    await end();
    return { why };
  } catch (error) {
    await end();
    throw error;
  }

  function wrong(found: number, sum: () => string): { why: string } | null {
    if (found !== bytes) return { why: `its copy has ${found} bytes, not ${bytes}` };
    return sum() === sha256 ? null : { why: "its copy is not what was kept: it has another sha256" };
  }

  async function proven(file: string): Promise<{ why: string } | null> {
    let handle: FileHandle | null = null;
    const checksum = startChecksum(file, signal);
    try {
      handle = await open(file, "r").catch(nullWhereMissing);
      if (handle === null) return { why: "its copy is gone" };
      const { size } = await handle.stat();
      const sum = size === bytes ? await checksum.end(handle, size) : "";
      return wrong(size, () => sum);
    } finally {
      checksum.drop();
      await handle?.close();
    }
  }

  /** Null: it is what was kept. The copy is opened last: a stream that is not read would keep its file, or its connection. */
  async function write(file: string): Promise<string | null> {
    const handle = await asLocalFailure("spool", () => open(file, "w", 0o600));
    const hash = createHash("sha256");
    let at = 0;
    try {
      const stream = await target.read(key, signal);
      if (stream === null) return "its copy is gone";
      for await (const chunk of stream) {
        signal.throwIfAborted();
        await asLocalFailure("spool", () => handle.write(chunk));
        hash.update(chunk);
        at += chunk.length;
        if (at > bytes) break;
        await pace(chunk.length, signal);
      }
    } finally {
      await handle.close();
    }
    return wrong(at, () => hash.digest("hex"))?.why ?? null;
  }
}

/** Whether two paths lead to one file. */
export async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => stat(path, { bigint: true })));
  return a!.dev === b!.dev && a!.ino === b!.ino;
}
