import type { Buffer } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import type { MediaKind } from "../../model/medium.ts";
import { NotMediaYet } from "../errors.ts";
import { type FileKind, fileKindOf } from "./file-kind.ts";
import { readBoxes } from "./isobmff.ts";
import { readAt } from "./read-window.ts";
import { lacksEnd, statedLength } from "./stated-length.ts";

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

/** How far what a film plays may be from what was announced: seconds, or the share of what was announced if that is more. */
const TOLERANCE = { seconds: 2, share: 0.05 };

const OF_KIND = { video: /^video\//, thumbnail: /^image\// } as const;

/** A downloaded file: where it is, what it was announced as, and how many bytes there are. */
type Download = { path: string; kind: MediaKind; bytes: number };

/**
 * Judges a downloaded file by its content. `announced` is the length that the server named, `duration` the seconds that the
 * event named; null: unknown. `isFramed`: the whole came by another proof (a last chunk, the end of what was packed).
 * Text of any sort (HTML, XML, JSON), an empty, short or cut file throw NotMediaYet. Anything else is kept: what is not
 * known for a video or a picture, plays longer or shorter than was announced, or is shorter than it says though HTTP
 * proved that all of it came, is marked suspect, never thrown away. How much is read does not depend on the size of the file,
 * but on the number of its parts.
 */
export async function verifyMedia(
  given: Download & { announced: number | null; duration: number | null; isFramed?: boolean },
): Promise<Proof> {
  const { path, kind, bytes, announced, duration, isFramed = false } = given;
  return withKind(path, bytes, async (file, head, found) => {
    const remainder = { isRemainder: true };
    if (announced !== null && announced !== bytes) {
      throw new NotMediaYet(`${bytes} of ${announced} bytes came`, remainder);
    }
    const { cut, odd } = await findOddity(file, head, found, {
      bytes,
      duration,
      isWhole: isFramed || announced !== null,
    });
    if (cut !== null) throw new NotMediaYet(`the ${found.ext} file is cut: ${cut}`, remainder);
    return proofOf(found, kind, odd);
  });
}

/** Names what came of a file that is known not to be whole; null where that is text, or nothing. */
export async function nameRemainder({ path, kind, bytes }: Download): Promise<Proof | null> {
  return withKind(path, bytes, async (_file, _head, found) => proofOf(found, kind, null)).catch((error) => {
    if (error instanceof NotMediaYet) return null;
    throw error;
  });
}

async function withKind<Result>(
  path: string,
  bytes: number,
  work: (file: FileHandle, head: Buffer, found: FileKind) => Promise<Result>,
): Promise<Result> {
  if (bytes === 0) throw new NotMediaYet("the answer is empty");
  const file = await open(path, "r");
  try {
    const head = await readAt(file, 0, Math.min(HEAD, bytes));
    if (isText(head.subarray(0, TEXT_HEAD))) throw new NotMediaYet("the answer is text, not media");
    const found = await fileKindOf(head);
    if (/^text\/|[/+]xml$/.test(found.mime)) throw new NotMediaYet(`the answer is ${found.mime}, not media`);
    return await work(file, head, found);
  } finally {
    await file.close();
  }
}

function proofOf({ ext, mime }: FileKind, kind: MediaKind, odd: string | null): Proof {
  const content = mime === "application/octet-stream" ? "unknown" : mime;
  const suspect = OF_KIND[kind].test(mime) ? odd : `announced as a ${kind}, but the content is ${content}`;
  return { contentType: mime, ext: /^[a-z0-9]{1,8}$/.test(ext) ? `.${ext}` : ".bin", suspect };
}

/** Looks for a cut, and for what is all there but strange. Where HTTP proved the whole, the length that a format states marks only. */
async function findOddity(
  file: FileHandle,
  head: Buffer,
  { ext, boxesFrom }: FileKind,
  { bytes, duration, isWhole }: { bytes: number; duration: number | null; isWhole: boolean },
): Promise<{ cut: string | null; odd: string | null }> {
  const boxes = boxesFrom === null ? null : await readBoxes(file, boxesFrom, bytes);
  if (boxes?.cut != null) return { cut: boxes.cut, odd: null };
  const stated = boxes === null ? await statedLength(file, head, bytes) : boxes.end;
  const short = stated === null || stated <= bytes ? null : `it has ${bytes} bytes, and states at least ${stated}`;
  if (short !== null && !isWhole) return { cut: short, odd: null };
  if (!isWhole && (await lacksEnd(file, ext, bytes))) return { cut: "its end is missing", odd: null };
  const before = boxesFrom ? `${boxesFrom} bytes stand before the film` : null;
  return { cut: null, odd: before ?? boxes?.odd ?? short ?? compareDurations(boxes?.seconds ?? null, duration) };
}

function compareDurations(plays: number | null, announced: number | null): string | null {
  if (plays === null || announced === null || !(announced > 0)) return null;
  const allowed = Math.max(TOLERANCE.seconds, announced * TOLERANCE.share);
  if (Math.abs(plays - announced) <= allowed) return null;
  return `it plays ${shown(plays)} s, but ${shown(announced)} s were announced`;
}

const shown = (seconds: number) => String(Number(seconds.toPrecision(6)));

/** UTF-8 or UTF-16 text, or markup in any other encoding: no media format begins with that much of it. */
function isText(head: Buffer): boolean {
  if (isWideText(head)) return true;
  if (/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(head.toString("latin1"))) return false;
  if (/^\s*</.test(head.toString("latin1"))) return true;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** UTF-16 behind its byte order mark, which alone proves nothing: a film may follow it. */
function isWideText(head: Buffer): boolean {
  const mark = head.toString("latin1", 0, 2);
  if (mark !== "\xff\xfe" && mark !== "\xfe\xff") return false;
  try {
    const decoder = new TextDecoder(mark === "\xff\xfe" ? "utf-16le" : "utf-16be", { fatal: true });
    return !/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(decoder.decode(head, { stream: true }));
  } catch {
    return false;
  }
}
