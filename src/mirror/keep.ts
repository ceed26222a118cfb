import type { Config } from "../config.ts";
import type { DownloadJob } from "../domain.ts";
import { keyOf } from "./keys.ts";
import type { MirrorTarget } from "./target.ts";
import { NeverMedia, ours } from "./trouble.ts";
import type { Proof } from "./verify.ts";

/**
 * Puts a verified file into the target and returns its key. Nothing ever overwrites a video: a different second one of the
 * same id goes to a key of its own (CONTRACT, "Media"). A thumbnail replaces the one before.
 * Throws OwnTrouble where the target fails.
 */
export async function keepCopy(kept: {
  target: MirrorTarget;
  template: Config["mirror"]["key"];
  job: Pick<DownloadJob, "videoId" | "kind" | "isSecond">;
  file: string;
  sha256: string;
  proof: Proof;
  signal: AbortSignal;
}): Promise<string> {
  const { target, template, job, file, sha256, proof, signal } = kept;
  const replace = job.kind === "thumbnail";
  const variants = replace ? [undefined] : [undefined, sha256.slice(0, 8)];
  for (const variant of variants) {
    const key = keyOf(template, job.videoId, job.kind, proof.ext, variant);
    // A second video may be of another container, for which the first one's place would be free: it is told apart all the same.
    if (variant === undefined && job.isSecond && (await ours("target", () => target.head(key))) === null) continue;
    const meta = { contentType: proof.contentType, sha256, replace };
    const placed = await ours("target", () => target.put(key, file, meta, signal));
    if (placed !== "exists-different") return key;
  }
  // The name holds 32 bits of the hash: somebody has changed the file that was there.
  throw new NeverMedia("the target holds other files under both keys of this video; move them away, then retry");
}
