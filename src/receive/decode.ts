import type { IncomingHttpHeaders } from "node:http";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { codeOf, errorLine, RelayError } from "../errors.ts";

/** The encoding of a body that is not plain UTF-8. */
export type Writing = {
  /** The content codings in the order in which they were applied (RFC 9110 §8.4). */
  codings: string[];
  charset: string | null;
};

type Decoder = (body: Uint8Array, limit: number) => Promise<Uint8Array>;

const decoder =
  (unpack: (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>): Decoder =>
  (body, limit) =>
    unpack(body, { maxOutputLength: limit });

const gzip = decoder(promisify(gunzip));
const br = decoder(promisify(brotliDecompress));
const withHeader = decoder(promisify(inflate));
const withoutHeader = decoder(promisify(inflateRaw));
/** RFC 9110 §8.4.1.2: some senders omit the zlib header of "deflate". */
const deflate: Decoder = (body, limit) =>
  withHeader(body, limit).catch((error) => {
    if (isTooLarge(error)) throw error;
    return withoutHeader(body, limit);
  });

const DECODERS = new Map<string, Decoder>([
  ["gzip", gzip],
  ["x-gzip", gzip],
  ["deflate", deflate],
  ["br", br],
]);

/** The most nested content codings. */
const MAX_CODINGS = 3;

/** The encoding of a body by its headers; null: plain UTF-8. */
export function writingOf(headers: IncomingHttpHeaders): Writing | null {
  const type = headers["content-type"];
  const coding = headers["content-encoding"];
  if (coding === undefined && !type?.includes("charset")) return null;
  const codings = (coding ?? "")
    .toLowerCase()
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "" && each !== "identity");
  const charset = charsetOf(/;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(type ?? "")?.[1]);
  return codings.length === 0 && charset === null ? null : { codings, charset };
}

/** TextDecoder's name of a charset; null for UTF-8 and for unknown ones. */
function charsetOf(label: string | undefined): string | null {
  if (label === undefined) return null;
  try {
    const { encoding } = new TextDecoder(label);
    return encoding === "utf-8" ? null : encoding;
  } catch {
    return null;
  }
}

/**
 * The body in plain UTF-8. Rejects with RelayError "body_too_large" as soon as it exceeds `limit` bytes, and "invalid_json"
 * where the body is not in the encoding `writing`.
 */
export async function decodeBody(body: Uint8Array, writing: Writing, limit: number): Promise<Uint8Array> {
  const { codings, charset } = writing;
  if (codings.length > MAX_CODINGS) throw new RelayError("invalid_json", "the body has too many content codings");
  let decoded = body;
  for (const coding of codings.toReversed()) {
    const decode = DECODERS.get(coding);
    if (decode === undefined) {
      throw new RelayError("invalid_json", `the content coding ${JSON.stringify(coding.slice(0, 20))} is not known`);
    }
    decoded = await decode(decoded, limit).catch((error) => {
      if (isTooLarge(error)) throw tooLarge(limit);
      throw new RelayError(
        "invalid_json",
        `the body is not what its content coding ${coding} says: ${errorLine(error)}`,
      );
    });
  }
  return charset === null ? decoded : toUtf8(decoded, charset, limit);
}

function toUtf8(body: Uint8Array, charset: string, limit: number): Uint8Array {
  // "utf-16" is little-endian by the Encoding standard, unless a byte order mark says otherwise.
  const isMarkedBe = charset.startsWith("utf-16") && body[0] === 0xfe && body[1] === 0xff;
  try {
    const text = new TextDecoder(isMarkedBe ? "utf-16be" : charset, { fatal: true }).decode(body);
    const bytes = Buffer.from(text);
    if (bytes.length > limit) throw tooLarge(limit);
    return bytes;
  } catch (error) {
    if (error instanceof RelayError) throw error;
    throw new RelayError("invalid_json", `the body is not what its charset ${charset} says`);
  }
}

/** Decodes one layer of a body without headers, judged by its first bytes. Null: there is none. */
export async function decodeByLook(body: Uint8Array, limit: number): Promise<Uint8Array | null> {
  const [first = 0, second = 0] = body;
  if (isUtf16(body)) return toUtf8(body, first === 0 ? "utf-16be" : "utf-16le", limit);
  const isGzip = first === 0x1f && second === 0x8b;
  const isZlib = (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
  // Brotli has no magic number.
  const decode = isGzip ? gzip : isZlib ? deflate : br;
  const decoded = await decode(body, limit).catch(() => null);
  // For what is no Brotli Deno returns nothing, where Node throws.
  return decoded?.length === 0 ? null : decoded;
}

/** Whether text begins with two ASCII characters, as JSON does, in UTF-16 with a byte order mark or without. */
function isUtf16([a, b, c, d]: Uint8Array): boolean {
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return true;
  return (a === 0 && b !== 0 && c === 0 && d !== 0) || (a !== 0 && b === 0 && c !== 0 && d === 0);
}

function isTooLarge(error: unknown): boolean {
  return codeOf(error) === "ERR_BUFFER_TOO_LARGE";
}

function tooLarge(limit: number): RelayError {
  return new RelayError(
    "body_too_large",
    `the body is larger than ${limit} bytes once it is decoded (receive.maxBody)`,
  );
}
