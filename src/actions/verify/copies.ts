import { createHash } from "node:crypto";
import { errorLine } from "../../errors.ts";
import type { Medium } from "../../model/medium.ts";
import { createThrottle } from "../../platform/throttle.ts";
import { sleep } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import { isoTime, pick } from "../json.ts";
import { walk } from "../list.ts";
import { hasCopy, type Kept, type MediaFilter } from "../media.ts";

/** What is wrong with a copy. `unreadable`: reading it fails. `detail` in words: "is cut: 5 of 7 bytes". */
export type Wrong = { fault: "missing" | "damaged" | "unreadable"; detail: string };

/** How many copies are read at once: many are small, and a target that is far away answers slowly. */
const READERS = 8;

/** How often a thumbnail that is being replaced, or a target that fails, is looked at; how far apart in milliseconds. */
const LOOKS = 5;
const LOOK_AGAIN = 500;

/**
 * A copy that is not what was kept; members as in the JSON of a medium. `deadline`: when its link expires. `mend`: whether it is
 * downloaded again, with a note; null where that was not asked for.
 */
export type Finding = Wrong &
  Pick<Kept, "id" | "videoId" | "kind" | "key" | "bytes" | "sha256"> & {
    deadline: string;
    mend: { queued: boolean; note: string | null } | null;
  };

/** Counts of copies; `bytes` is the number of bytes read. `mended`: queued for download again. `unreached`: not judged. */
export type VerifySummary = Record<
  "copies" | "bytes" | "good" | "missing" | "damaged" | "unreadable" | "mended" | "unreached",
  number
>;

export type VerifyParts = {
  store: Pick<Store, "media" | "medium" | "mendMedium">;
  clock: Clock;
  signal: AbortSignal;
  /** Opens a copy for reading: null when the target has none there; throws what the target throws. */
  read(copy: { target: string; key: string }, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null>;
  /** What is wrong with a target itself; null: it can be reached, and holds something. */
  lookInto(target: string): Promise<string | null>;
  filter: Pick<MediaFilter, "videoId" | "kind" | "since" | "until">;
  /** Bytes per second; null: no limit. */
  rate: number | null;
  /** Downloads again what is missing or damaged. */
  mend: boolean;
  /** Called with each finding, as soon as it is certain, and awaited. */
  found(finding: Finding): Promise<void> | void;
  /** Called once for each target that cannot be read. */
  lost(target: string, why: string): void;
  /** Called after each copy. */
  progress(soFar: VerifySummary): void;
};

/**
 * Reads every mirrored copy in its target and compares it with its row, byte count and sha256. A copy that was replaced or
 * deleted while it was read is judged by its row as it is then. Where a copy is not there its target is looked into: the
 * copies of one that is gone are not judged. Ends early, and resolves, when the signal aborts.
 */
export async function verifyCopies(parts: VerifyParts): Promise<VerifySummary> {
  const { store, clock, filter, signal } = parts;
  const summary = { copies: 0, bytes: 0, good: 0, missing: 0, damaged: 0, unreadable: 0, mended: 0, unreached: 0 };
  const throttle = createThrottle(parts.rate, clock);

  const lost = new Set<string>();

  /** Whether the target of a copy that could not be read is gone itself, and not for a moment only. */
  async function isLost({ target }: Kept): Promise<boolean> {
    let why: string | null = null;
    for (let look = 1; look <= LOOKS && !lost.has(target); look++) {
      why = await parts.lookInto(target);
      if (why === null) return false;
      if (look < LOOKS) await sleep(LOOK_AGAIN, clock, signal);
    }
    if (why !== null && !signal.aborted && !lost.has(target)) {
      lost.add(target);
      parts.lost(target, why);
    }
    return lost.has(target);
  }

  async function report(medium: Kept, wrong: Wrong): Promise<void> {
    const mend = parts.mend && wrong.fault !== "unreadable" ? await mendCopy(store, medium, clock.now()) : null;
    summary.copies++;
    summary[wrong.fault]++;
    if (mend?.queued) summary.mended++;
    const what = pick(medium, "id videoId kind key bytes sha256");
    await parts.found({ ...what, ...wrong, deadline: isoTime(medium.deadline), mend });
  }

  /** Reads one copy, to its end or just beyond the size in its row; null: it is what was kept. */
  async function examine(medium: Kept): Promise<Wrong | null> {
    const stream = await parts.read(medium, signal);
    if (stream === null) return { fault: "missing", detail: "is missing" };
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of stream) {
      signal.throwIfAborted();
      bytes += chunk.length;
      summary.bytes += chunk.length;
      hash.update(chunk);
      await throttle(chunk.length, signal);
      if (medium.bytes !== null && bytes > medium.bytes) break;
    }
    const detail = describeDamage(medium, bytes, () => hash.digest("hex"));
    return detail === null ? null : { fault: "damaged", detail };
  }

  /** Judges a copy by its row as it is after the read; null: the row has no copy any longer. */
  async function judge(listed: Kept): Promise<{ medium: Kept; wrong: Wrong | null } | null> {
    for (let medium = listed, look = 1; ; look++) {
      const wrong = await examine(medium);
      if (wrong === null) return { medium, wrong };
      const now = await store.medium(medium.id);
      if (!hasCopy(now)) return null;
      const changed = now.target !== medium.target || now.key !== medium.key || now.sha256 !== medium.sha256;
      medium = now;
      if (changed) continue;
      // A newer file takes its place a moment before the row is updated.
      if (look >= LOOKS || !(await isBeingReplaced(store, medium))) return { medium, wrong };
      await sleep(LOOK_AGAIN, clock, signal);
    }
  }

  async function verify(listed: Kept): Promise<void> {
    if (lost.has(listed.target)) {
      summary.unreached++;
      return;
    }
    const judged = await judge(listed).catch((error) => {
      return { medium: listed, wrong: { fault: "unreadable", detail: `cannot be read: ${errorLine(error)}` } as Wrong };
    });
    if (judged === null || (judged.wrong !== null && signal.aborted)) return;
    const { medium, wrong } = judged;
    if (wrong === null) {
      summary.copies++;
      summary.good++;
    } else if (wrong.fault !== "damaged" && (await isLost(medium))) summary.unreached++;
    else if (!signal.aborted) await report(medium, wrong);
  }

  const rows = walk((page) => store.media(page), { ...filter, withCopy: true, limit: Number.POSITIVE_INFINITY });
  const readOn = async () => {
    while (!signal.aborted) {
      const { done, value } = await rows.next();
      if (done) return;
      if (hasCopy(value)) await verify(value);
      parts.progress(summary);
    }
  };
  await Promise.all(Array.from({ length: READERS }, readOn));
  return summary;
}

/** How the bytes that were read differ from those that were kept; null: they do not. */
function describeDamage({ bytes: kept, sha256 }: Medium, bytes: number, hash: () => string): string | null {
  if (kept !== null && bytes < kept) return bytes === 0 ? "is empty" : `is cut: ${bytes} of ${kept} bytes`;
  if (kept !== null && bytes > kept) return `is another file: longer than the ${kept} bytes that were kept`;
  return sha256 !== null && sha256 !== hash() ? "is not what was kept: as long, with another sha256" : null;
}

/** Whether a newer thumbnail of the video is on its way to the same key. */
async function isBeingReplaced(store: Pick<Store, "media">, { videoId, kind }: Medium): Promise<boolean> {
  if (kind !== "thumbnail") return false;
  const rows = await store.media({ videoId, kind, limit: 50 });
  return rows.some(({ state }) => state === "pending" || state === "running");
}

async function mendCopy(store: Pick<Store, "mendMedium">, medium: Kept, now: number): Promise<Finding["mend"]> {
  if (medium.state !== "mirrored") return { queued: false, note: "it is being downloaded already" };
  try {
    await store.mendMedium(medium.id, now);
  } catch (error) {
    return { queued: false, note: errorLine(error) };
  }
  return { queued: true, note: medium.deadline > now ? null : "its link has expired and is tried all the same" };
}
