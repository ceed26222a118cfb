import type { Buffer } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import type { MediaKind } from "../../model/medium.ts";
import { isTypeOf, UNKNOWN_TYPE } from "../../rules/media-types.ts";
import { InvalidContent } from "../errors.ts";
import { type FileKind, fileKindOf } from "./file-kind.ts";
import { readBoxes } from "./isobmff.ts";
import { readAt } from "./read-window.ts";
import { lacksEnd, statedLength } from "./stated-length.ts";

/** Validation: bytes → kind of file (`file-kind.ts`) → is it whole? (`isobmff.ts`, `stated-length.ts`) → proof or reason. */

export type Proof = {
  contentType: string;
  /** With its dot; from the content alone, never from the link. */
  ext: string;
  /** What is odd about it, for a person to look at; null: nothing. */
  suspect: string | null;
};

/** An error where the file cannot be the medium: a value, because callers go on with it. */
export type Verdict = Proof | InvalidContent;

/** Bytes of the head: enough for every signature that file-type knows. */
const HEAD = 64 * 1024;

/** Bytes of the head that must be text for the file to count as text. */
const TEXT_HEAD = 4096;

/** How far a film's duration may be from the announced one: the larger of seconds and a share of it. */
const TOLERANCE = { seconds: 2, share: 0.05 };

/** A downloaded file, and the kind of medium that was announced. */
type Download = { path: string; kind: MediaKind; bytes: number };

/**
 * Validates a downloaded file. `announced` is the length from the server, `duration` the
 * seconds from the event; null: unknown. `isFramed`: something else proves that all of it came (a last chunk, the end of the
 * decoded body). Text (HTML, XML, JSON), and an empty, short or cut file are InvalidContent. Anything else is kept, and
 * marked suspect where its type is not the announced kind's, its duration differs, or it is shorter than it states although
 * HTTP proved that all of it came. The bytes read depend on the number of the file's parts, not on its size.
 */
export async function verifyMedia(
  given: Download & { announced: number | null; duration: number | null; isFramed?: boolean },
): Promise<Verdict> {
  const { path, kind, bytes, announced, duration, isFramed = false } = given;
  return withKind(path, bytes, async (file, head, found) => {
    const partial = (why: string) => new InvalidContent(why, { isPartial: true });
    if (announced !== null && announced !== bytes) return partial(`${bytes} of ${announced} bytes came`);
    const isCut = (why: string) => partial(`the ${found.ext} file is cut: ${why}`);
    const boxes = found.boxesFrom === null ? null : await readBoxes(file, found.boxesFrom, bytes);
    if (boxes?.cut != null) return isCut(boxes.cut);
    const stated = boxes === null ? await statedLength(file, head, bytes) : boxes.end;
    const short = stated === null || stated <= bytes ? null : `it has ${bytes} bytes, and states at least ${stated}`;
    // Where HTTP proved the whole, a larger stated length is only odd.
    const isWhole = isFramed || announced !== null;
    if (short !== null && !isWhole) return isCut(short);
    if (!isWhole && (await lacksEnd(file, found.ext, bytes))) return isCut("its end is missing");
    const before = found.boxesFrom ? `${found.boxesFrom} bytes stand before the film` : null;
    const odd = before ?? boxes?.odd ?? short ?? compareDurations(boxes?.seconds ?? null, duration);
    return proofOf(found, kind, odd);
  });
}

/** The type of a file that is known not to be whole; null: it is empty or text. */
export async function nameRemainder({ path, kind, bytes }: Download): Promise<Proof | null> {
  const verdict = await withKind(path, bytes, async (_file, _head, found) => proofOf(found, kind, null));
  return verdict instanceof InvalidContent ? null : verdict;
}

async function withKind(
  path: string,
  bytes: number,
  work: (file: FileHandle, head: Buffer, found: FileKind) => Promise<Verdict>,
): Promise<Verdict> {
  if (bytes === 0) return new InvalidContent("the answer is empty");
  const file = await open(path, "r");
  try {
    const head = await readAt(file, 0, Math.min(HEAD, bytes));
    if (isText(head.subarray(0, TEXT_HEAD))) return new InvalidContent("the answer is text, not media");
    const found = await fileKindOf(head);
    if (/^text\/|[/+]xml$/.test(found.mime)) return new InvalidContent(`the answer is ${found.mime}, not media`);
    return await work(file, head, found);
  } finally {
    await file.close();
  }
}

function proofOf({ ext, mime }: FileKind, kind: MediaKind, odd: string | null): Proof {
  const content = mime === UNKNOWN_TYPE ? "unknown" : mime;
  const suspect = isTypeOf(kind, mime) ? odd : `announced as a ${kind}, but the content is ${content}`;
  return { contentType: mime, ext: /^[a-z0-9]{1,8}$/.test(ext) ? `.${ext}` : ".bin", suspect };
}

function compareDurations(plays: number | null, announced: number | null): string | null {
  if (plays === null || announced === null || !(announced > 0)) return null;
  const allowed = Math.max(TOLERANCE.seconds, announced * TOLERANCE.share);
  if (Math.abs(plays - announced) <= allowed) return null;
  return `it plays ${shown(plays)} s, but ${shown(announced)} s were announced`;
}

const shown = (seconds: number) => String(Number(seconds.toPrecision(6)));

/** Characters that no text has. */
const BINARY = /[\x00-\x08\x0e-\x1a\x1c-\x1f]/;

/**
 * UTF-8, or UTF-16 with its byte order mark, or markup in any encoding: no media format begins with so much text. The mark
 * alone proves nothing: a film may follow it.
 */
function isText(head: Buffer): boolean {
  const bytes = head.toString("latin1");
  if (/^\s*</.test(bytes) && !BINARY.test(bytes)) return true;
  const encoding = { "\xff\xfe": "utf-16le", "\xfe\xff": "utf-16be" }[bytes.slice(0, 2)] ?? "utf-8";
  try {
    return !BINARY.test(new TextDecoder(encoding, { fatal: true }).decode(head, { stream: true }));
  } catch {
    return false;
  }
}
