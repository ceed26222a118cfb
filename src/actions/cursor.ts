import { createHash } from "node:crypto";
import { RelayError } from "../errors.ts";

/**
 * Where a reader of a list or of the feed has come to: which life of the store (`Store.epoch`), and the place in it: text
 * that only its list reads (an id, a video's id, a position of the feed).
 */
export type Place = { epoch: string; position: string };

/**
 * The filters of a request, as the client wrote them; a cursor belongs to them. What changes only how much is answered, and
 * in which form, is no filter: `limit`, `wait`, `include`, `ready`.
 */
export type CursorFilters = Readonly<Record<string, string | number | boolean | undefined>>;

/** The first member of each cursor: one of another version is refused. */
const VERSION = 1;

/** Bytes of the sum of the filters: two requests of one client do not have equal ones by chance. */
const SUM = 8;

/** The longest that can be valid, in characters: a video's id of 256 bytes, escaped in JSON, in base64. */
const LONGEST = 4_096;

const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** The text that stands for a place under these filters: base64url of version, epoch, position and a sum of the filters. */
export function writeCursor({ epoch, position }: Place, filters: CursorFilters): string {
  return Buffer.from(JSON.stringify([VERSION, epoch, position, sumOf(filters)])).toString("base64url");
}

/**
 * The place that a cursor stands for. RelayError("invalid_query"): it is none, or one of a request with other filters. Its
 * epoch is not judged: `checkEpoch`.
 */
export function readCursor(text: string, filters: CursorFilters): Place {
  const [version, epoch, position, sum, ...rest] = membersOf(text);
  const isCursor = version === VERSION && typeof epoch === "string" && typeof position === "string";
  if (!isCursor || typeof sum !== "string" || rest.length > 0) {
    throw new RelayError("invalid_query", "this is no cursor of this relay: take the `next` of an answer as it is");
  }
  if (sum !== sumOf(filters)) {
    throw new RelayError("invalid_query", "this cursor is of a request with other filters: begin without a cursor");
  }
  return { epoch, position };
}

/** RelayError("cursor_expired"): the store was restored, or replaced, since the cursor was given (CONTRACT, "Ids"). */
export function checkEpoch(place: Place, epoch: string): void {
  if (place.epoch !== epoch) throw cursorExpired();
}

export function cursorExpired(): RelayError {
  return new RelayError(
    "cursor_expired",
    "the database was restored, or is another one, since this cursor was given: begin again without it, and skip known ids",
  );
}

function membersOf(text: string): unknown[] {
  if (text.length > LONGEST || !BASE64URL.test(text)) return [];
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

/** Equal for equal filters, in whichever order they stand; one that is not given is none. */
function sumOf(filters: CursorFilters): string {
  const given = Object.entries(filters).filter(([, value]) => value !== undefined);
  const sorted = given.sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest().subarray(0, SUM).toString("base64url");
}
