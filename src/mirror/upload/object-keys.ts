import { createHash } from "node:crypto";
import type { MediaKind } from "../../model/medium.ts";

/** Ids that are safe as file names: one case, one Unicode form, no dots, no slashes, short. */
const SAFE_ID = /^[a-z0-9_-]{1,64}$/;

/** Device names on Windows, with any extension. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)$/;

/**
 * The key of a medium in its target, from a template like `{videoId}/{kind}{ext}` (config `mirror.key`). `ext` begins with
 * its dot; `variant` (hex digits) distinguishes a second, different video of the same id.
 *
 * The id comes from the network. A safe one is used unchanged, any other by its hash: different ids get different keys also
 * on file systems that fold case or Unicode, and no key leads out of the folder.
 */
export function keyOf(template: string, videoId: string, kind: MediaKind, ext: string, variant?: string): string {
  const values: Record<string, string> = {
    videoId: pathPart(videoId),
    kind: variant === undefined ? kind : `${kind}.${variant}`,
    ext,
  };
  return template.replace(/\{(videoId|kind|ext)\}/g, (_, name) => values[name]!);
}

function pathPart(id: string): string {
  if (SAFE_ID.test(id) && !DEVICE.test(id)) return id;
  // No safe id begins with `~`. 128 bits of the hash make the name unique; the readable part is for people.
  const readable = id
    .slice(0, 256)
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "")
    .slice(0, 24);
  return `~${readable}-${createHash("sha256").update(id).digest("hex").slice(0, 32)}`;
}
