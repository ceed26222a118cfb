import type { StoredEvent } from "../../../src/model/event.ts";
import { sha256Of } from "../bytes.ts";
import type { Stored } from "../stored.ts";
import type { App } from "./app.ts";
import type { Check } from "./judge.ts";
import type { Kept } from "./kept.ts";
import type { World } from "./world.ts";

/** The videos whose delete is stored: their copies go. */
export function deletedVideos(events: Iterable<StoredEvent & { videoId: string }>): Set<string> {
  return new Set([...events].filter(({ type }) => type?.endsWith(".delete")).map(({ videoId }) => videoId));
}

/**
 * Every row has ended well, every copy is the provider's and its row's, and there is no copy without a row. Returns how many
 * copies there are.
 */
export async function judgeMedia(given: {
  stored: Stored;
  kept: Kept;
  world: World;
  app: App;
  deleted: Set<string>;
  check: Check;
}): Promise<number> {
  const { stored, kept, world, app, deleted, check } = given;
  const keys = new Set<string>();
  const shown = new Map<string, string>();
  for await (const { id, kind, videoId, state, key, bytes, sha256, lastError } of stored.media()) {
    const name = `${id}, the ${kind} of ${videoId},`;
    if (kind === "thumbnail" && state === "superseded") continue;
    if (deleted.has(videoId)) {
      check(state === "deleted" && key === null, () => `${name} was deleted, and is ${state}: ${lastError}`);
      continue;
    }
    check(state === "mirrored" && key !== null, () => `${name} ended as ${state}: ${lastError}`);
    if (state !== "mirrored" || key === null) continue;
    check(!keys.has(key), () => `${name} shares its copy ${key}`);
    keys.add(key);
    check(app.told.has(`${videoId} ${kind} mirrored`), () => `nobody was told that ${name} is mirrored`);
    const copy = await kept.read(key).catch(() => null);
    check(copy !== null, () => `${name} has no copy: ${key}`);
    if (copy === null) continue;
    const hash = sha256Of(copy);
    check(copy.length === bytes && hash === sha256, () => `${name} has another copy than its row says: ${key}`);
    const served =
      kind === "video" ? world.videos.get(videoId)?.has(hash) : world.thumbnails.get(videoId)?.includes(hash);
    check(served === true, () => `${name} is not what the provider served: ${key}`);
    if (kind === "video") continue;
    check(!shown.has(videoId), () => `${videoId} shows two thumbnails`);
    shown.set(videoId, hash);
  }
  for (const { videoId, thumbnail, answers, serial } of world.posted) {
    if (thumbnail === null || answers.length === 0 || deleted.has(videoId)) continue;
    const at = world.thumbnails.get(videoId)!.indexOf(shown.get(videoId) ?? "");
    check(at >= thumbnail, () => `${videoId} shows its thumbnail ${at}, but event ${serial} announced ${thumbnail}`);
  }
  const all = await kept.keys();
  for (const key of all) check(keys.has(key), () => `${key} is in the target, but no row knows it`);
  for (const leftover of await kept.leftovers()) check(false, () => leftover);
  return all.length;
}
