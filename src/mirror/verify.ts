import { Buffer } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import type { MediaKind } from "../domain.ts";
import { readBoxes } from "./boxes.ts";
import { NotMediaYet } from "./trouble.ts";

export type Proof = {
  contentType: string;
  /** With its dot; from the content alone, never from the link. */
  ext: string;
  /** Why a person should look at it; null where nothing is odd. */
  suspect: string | null;
};

/** Room for every signature that file-type knows. */
const HEAD = 64 * 1024;

/** How much of the start has to be text for the whole to be taken for text. */
const TEXT_HEAD = 4096;

/** Where the end marker of a picture may stand, counted from the end: some tools append a little. */
const TAIL = 64 * 1024;

/** How far what a film plays may be from what was announced: seconds, or the share of what was announced if that is more. */
const TOLERANCE = { seconds: 2, share: 0.05 };

const BOXED = /^(?:mp4|m4v|mov|m4p|f4v|f4p|3gp|3g2)$/;
const OF_KIND = { video: /^video\//, thumbnail: /^image\// } as const;
const UNKNOWN = { ext: "bin", mime: "application/octet-stream" };

/**
 * Judges a downloaded file of `bytes` bytes by its content; `announced` is the length that the server told, `duration` the
 * seconds that the event told; null: it did not. Text of any sort (HTML, XML, JSON), an empty, short or cut file throw
 * NotMediaYet. Anything else is kept: what is not known for a video or a picture, or plays longer or shorter than was
 * announced, is marked suspect, never thrown away; on the last try (`isLast`) also what is all there by its announced length
 * and cut by its own structure. How much is read does not depend on the size of the file.
 */
export async function verifyMedia(given: {
  path: string;
  kind: MediaKind;
  bytes: number;
  announced: number | null;
  duration: number | null;
  isLast?: boolean;
}): Promise<Proof> {
  const { path, kind, bytes, announced, duration, isLast = false } = given;
  if (bytes === 0) throw new NotMediaYet("the answer is empty");
  if (announced !== null && announced !== bytes) throw new NotMediaYet(`${bytes} of ${announced} bytes came`);
  const file = await open(path, "r");
  try {
    const head = await readAt(file, 0, HEAD);
    if (isText(head.subarray(0, TEXT_HEAD))) throw new NotMediaYet("the answer is text, not media");
    // Loaded late: it is not needed before the first download. From a buffer, because file-type's own way of reading files
    // imports at run time, which a bundle cannot do.
    const { fileTypeFromBuffer } = await import("file-type");
    const { ext, mime } = (await fileTypeFromBuffer(head).catch(() => undefined)) ?? UNKNOWN;
    if (/^text\/|[/+]xml$/.test(mime)) throw new NotMediaYet(`the answer is ${mime}, not media`);
    const odd = await findOddity(file, { ext, bytes, announced, duration, isLast });
    const expected = OF_KIND[kind].test(mime);
    const suspect = expected
      ? odd
      : `announced as a ${kind}, but the content is ${mime === UNKNOWN.mime ? "unknown" : mime}`;
    return { contentType: mime, ext: /^[a-z0-9]{1,8}$/.test(ext) ? `.${ext}` : ".bin", suspect };
  } finally {
    await file.close();
  }
}

/** Looks for a cut (throws NotMediaYet), and for what is all there but strange. */
async function findOddity(
  file: FileHandle,
  about: { ext: string; bytes: number; announced: number | null; duration: number | null; isLast: boolean },
): Promise<string | null> {
  const { ext, bytes, announced, duration, isLast } = about;
  if (BOXED.test(ext)) {
    const { cut, odd, seconds } = await readBoxes(file, bytes);
    const line = `the ${ext} file is cut: ${cut}`;
    if (cut !== null && isLast && announced === bytes) return line;
    if (cut !== null) throw new NotMediaYet(line);
    return odd ?? compareDurations(seconds, duration);
  }
  // Where no length was told, a lost connection looks like the end; pictures tell theirs (ITU-T T.81 B.1.1.3, PNG 11.2.5).
  const end =
    announced !== null
      ? undefined
      : ext === "jpg"
        ? Buffer.from([0xff, 0xd9])
        : ext === "png"
          ? Buffer.from("IEND")
          : undefined;
  if (end && !(await readAt(file, Math.max(0, bytes - TAIL), TAIL)).includes(end)) {
    throw new NotMediaYet(`the ${ext} file is cut: its end is missing`);
  }
  return null;
}

function compareDurations(plays: number | null, announced: number | null): string | null {
  if (plays === null || announced === null || !(announced > 0)) return null;
  const allowed = Math.max(TOLERANCE.seconds, announced * TOLERANCE.share);
  if (Math.abs(plays - announced) <= allowed) return null;
  return `it plays ${shown(plays)} s, but ${shown(announced)} s were announced`;
}

const shown = (seconds: number) => String(Number(seconds.toPrecision(6)));

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** UTF-8 or UTF-16 text, or markup in any other encoding: no media format begins with that much of it. */
function isText(head: Buffer): boolean {
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) return true;
  if (/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(head.toString("latin1"))) return false;
  if (/^\s*</.test(head.toString("latin1"))) return true;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}
