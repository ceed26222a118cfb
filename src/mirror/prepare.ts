import type { Readable } from "node:stream";
import type { Config } from "../config.ts";
import type { Copy, DownloadJob, Ports } from "../domain.ts";
import type { Outbound } from "../platform/net.ts";
import { makeFolder } from "./durable.ts";
import { fetchMedia } from "./fetch.ts";
import { keepCopy } from "./keep.ts";
import { type Limits, watchPace } from "./pace.ts";
import { checkRoom, spoolBody } from "./spool.ts";
import type { MirrorTarget } from "./target.ts";
import { NeverMedia, ours } from "./trouble.ts";
import type { SlowDownload } from "./unfinished.ts";
import { NotMediaYet, verifyMedia } from "./verify.ts";

export type Preparation = {
  config: Config["mirror"];
  outbound: Outbound;
  target: MirrorTarget;
  ports: Pick<Ports, "clock">;
  spoolDir: string;
  limits: Limits;
  job: DownloadJob;
  /** Where the file is written; the caller removes it. */
  part: string;
  signal: AbortSignal;
  /** The request is about to be sent. */
  onRequest(): void;
  /** Too slow to hold a slot; told again each second that it is. */
  onSlow(slow: SlowDownload): void;
};

/**
 * Everything up to the moment at which the file, fetched and proven, can be kept: `keep` puts it into the target and tells
 * what the copy is. Throws NeverMedia and RefusedAddress (asking again is useless), OwnTrouble (not the link's fault), and
 * anything else where asking again may help.
 */
export async function prepareCopy(given: Preparation): Promise<{ keep(): Promise<Copy> }> {
  const { config, job, limits, ports, spoolDir, part, target } = given;
  await ours("spool", () => makeFolder(spoolDir));
  await checkRoom(spoolDir, 0, config.minFreeDisk);
  const previous = await stillThere(target, job.previous);

  const stop = new AbortController();
  const onAbort = () => stop.abort(given.signal.reason);
  given.signal.addEventListener("abort", onAbort, { once: true });
  if (given.signal.aborted) onAbort();
  let bytes = 0;
  let length: number | null = null;
  let body: Readable | null = null;
  const stopWatching = watchPace(ports.clock, limits, {
    bytes: () => bytes,
    onSlow: (rate) =>
      given.onSlow({
        bytes,
        secondsLeft: length === null ? Number.POSITIVE_INFINITY : (length - bytes) / rate,
        giveUp: (reason) => stop.abort(reason),
      }),
    onHopeless: (reason) => stop.abort(new Error(reason)),
  });
  try {
    given.onRequest();
    const answer = await fetchMedia({
      outbound: given.outbound,
      url: job.url,
      previous,
      signal: stop.signal,
      headersTimeout: limits.headers,
      idleTimeout: limits.idle,
    });
    if (answer.is === "unchanged") return { keep: async () => previous! };
    ({ body, length } = answer);
    await checkLength(length ?? 0, given);
    const file = await spoolBody(body, {
      path: part,
      maxSize: config.maxSize,
      onBytes(sofar) {
        bytes = sofar;
      },
      checkRoom: () => checkRoom(spoolDir, 0, config.minFreeDisk),
    });
    stopWatching();
    const proof = await verify(part, job, file.bytes, length);
    return {
      async keep() {
        const kept = {
          target,
          template: config.key,
          job,
          file: part,
          sha256: file.sha256,
          proof,
          signal: given.signal,
        };
        const key = await keepCopy(kept);
        const { contentType, suspect } = proof;
        return { key, ...file, contentType, suspect, etag: answer.etag, lastModified: answer.lastModified };
      },
    };
  } catch (error) {
    // Whatever failed, a body that was not read to its end would keep its connection.
    body?.destroy();
    // What undici throws for an abort says nothing; the reason does.
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    stopWatching();
    given.signal.removeEventListener("abort", onAbort);
  }
}

/** The copy that a conditional request may speak of: only one that the target still holds. */
async function stillThere(target: MirrorTarget, copy: Copy | null): Promise<Copy | null> {
  if (copy === null) return null;
  const held = await ours("target", () => target.head(copy.key));
  return held?.bytes === copy.bytes ? copy : null;
}

async function checkLength(length: number, { config, spoolDir }: Preparation): Promise<void> {
  if (length > config.maxSize) {
    throw new NeverMedia(`it is larger than mirror.maxSize: ${length} of ${config.maxSize} bytes`);
  }
  await checkRoom(spoolDir, length, config.minFreeDisk);
}

async function verify(path: string, { kind }: DownloadJob, bytes: number, announced: number | null) {
  const verdict = await ours("spool", () =>
    verifyMedia({ path, kind, bytes, announced }).catch((error) => {
      if (error instanceof NotMediaYet) return error;
      throw error;
    }),
  );
  if (verdict instanceof NotMediaYet) throw verdict;
  return verdict;
}
