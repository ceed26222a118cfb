import { RelayError } from "../errors.ts";
import type { ArchivePart, Restored } from "../model/archive.ts";
import { sleep } from "../platform/timing.ts";
import { goesOn, readLine } from "./line.ts";
import { readPartFile } from "./part-file.ts";
import type { ArchiveParts } from "./put-part.ts";
import { currentPart, eachPart, examinePart } from "./verify.ts";

/** For how long a restored body stays at least, in milliseconds; a whole day expires at once, so that it may be a day more. */
export const RESTORED_FOR = 7 * 86_400_000;

/** Bodies that come back in one transaction: how many, and their bytes. */
const EVENTS = 100;
const BYTES = 2 ** 20;

/** What is restored: days (milliseconds since 1970, `until` excluded), or a video. */
export type RestoreWish = { since?: number | undefined; until?: number | undefined; videoId?: string | undefined };

/**
 * Gives events their bodies back, from all parts that match; what each came to is counted. Rejects at the first part that cannot
 * be read, or is not what was written: what was restored by then stays. RelayError("not_found"): no part matches.
 */
export async function restoreFrom(
  parts: Pick<ArchiveParts, "store" | "shelves" | "ports">,
  wish: RestoreWish & { bodies: number },
  { signal, onPart }: { signal: AbortSignal; onPart?(part: ArchivePart): void },
): Promise<Restored & { files: number }> {
  const { bodies, ...filter } = wish;
  const all = { files: 0, restored: 0, present: 0, unknown: 0, erased: 0 };
  for await (const part of eachPart(parts.store, filter)) {
    onPart?.(part);
    add(all, await restoreWhole(parts, part, { videoId: wish.videoId, bodies, signal }));
    all.files++;
  }
  if (all.files === 0) throw new RelayError("not_found", "the archive has no file of that: see archive list");
  return all;
}

function add(to: Restored, more: Restored): void {
  for (const name of Object.keys(more) as (keyof Restored)[]) to[name] += more[name];
}

type How = { videoId: string | undefined; bodies: number; signal: AbortSignal };

async function restoreWhole(
  parts: Pick<ArchiveParts, "store" | "shelves" | "ports">,
  part: ArchivePart,
  how: How,
): Promise<Restored> {
  const wrong = await examinePart(parts, part, how.signal);
  if (wrong !== null) throw new RelayError("target_unavailable", wrong.detail);
  const restored = await restorePart(parts, part, how);
  if (restored !== null) return restored;
  const now = await currentPart(parts.store, part);
  if (now !== null && now.key !== part.key) return restoreWhole(parts, now, how);
  throw new RelayError("target_unavailable", `${part.key} is missing`);
}

type Line = ReturnType<typeof readLine>;

/** Null: its file is gone. */
async function restorePart(
  { store, shelves, ports: { clock } }: Pick<ArchiveParts, "store" | "shelves" | "ports">,
  part: ArchivePart,
  { videoId, bodies, signal }: How,
): Promise<Restored | null> {
  const counts: Restored = { restored: 0, present: 0, unknown: 0, erased: 0 };
  const source = await (await shelves.at(part.place)).read(part.key, signal);
  if (source === null) return null;
  const { lines } = readPartFile(source);
  await lines.next();
  let some: Line[] = [];
  let bytes = 0;
  for await (const text of lines) {
    signal.throwIfAborted();
    if (goesOn(text)) continue;
    const line = readLine(text);
    if (videoId !== undefined && line.videoId !== videoId) continue;
    some.push(line);
    bytes += line.body.length;
    if (some.length >= EVENTS || bytes >= BYTES) await flush();
  }
  if (some.length > 0) await flush();
  return counts;

  async function flush(): Promise<void> {
    const begun = clock.elapsed();
    const events = some.map(({ id, body }) => ({ id, body }));
    add(counts, await store.restoreBodies(part.id, events, { keepFor: RESTORED_FOR, bodies }, clock.now()));
    some = [];
    bytes = 0;
    await sleep(clock.elapsed() - begun, clock, signal);
  }
}
