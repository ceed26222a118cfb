import { Buffer, isUtf8 } from "node:buffer";
import { type ArchivedEvent, type ArchivedRest, type ArchivePart, nameOfDay } from "../model/archive.ts";
import type { LoggedAttempt } from "../model/delivery.ts";
import type { Medium } from "../model/medium.ts";

// The format of a part: JSON lines (docs/ARCHIVE.md).

export const VERSION = 1;

/** The first line of a part. */
export function headOf({ day, number }: Pick<ArchivePart, "day" | "number">): string {
  return JSON.stringify({ archive: "wochit-relay", version: VERSION, day: nameOfDay(day), part: number });
}

const iso = (ms: number): string => new Date(Math.min(Math.max(ms, 0), 8.64e15)).toISOString();

/** Bytes as text where they are UTF-8, else in base64, under a name that says so. */
function bytesAs(name: string, bytes: Uint8Array | null) {
  if (bytes === null) return { [name]: null };
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return isUtf8(all) ? { [name]: all.toString() } : { [`${name}Base64`]: all.toString("base64") };
}

/** The line of an event, without its end, with the first of what came to it. Links lose their query, but for those in bodies, which stay as they were received. */
export function lineOf({ event, revision, body, media, ...rest }: ArchivedEvent): string {
  const { receivedAt, trace, status: _, ...more } = event;
  return JSON.stringify({
    ...more,
    receivedAt: iso(receivedAt),
    ...(trace && { trace }),
    revision,
    ...bytesAs("body", body),
    media: media.map(mediumOf),
    ...restOf(rest),
  });
}

/** How the line begins that has more of the event whose line is above. */
const GOES_ON = '{"of":';

export const goesOn = (line: string): boolean => line.startsWith(GOES_ON);

/** A line with more of what came to an event. */
export const restLineOf = (id: string, rest: ArchivedRest): string => JSON.stringify({ of: id, ...restOf(rest) });

const restOf = ({ duplicates, deliveries }: Omit<ArchivedRest, "next">) => ({
  repeated: duplicates.map((one) => ({
    receivedAt: iso(one.receivedAt),
    sourceAddress: one.sourceAddress,
    ...bytesAs("body", one.body),
  })),
  deliveries: deliveries.map(({ attemptLog, ...delivery }) => ({
    ...{ id: delivery.id, endpoint: delivery.endpoint, createdAt: iso(delivery.createdAt), state: delivery.state },
    ...{ supersededBy: delivery.supersededBy, replay: delivery.replay, lastError: delivery.lastError },
    attempts: attemptLog.map(attemptOf),
  })),
});

function mediumOf(medium: Medium) {
  const { id, kind, state, key, bytes, sha256, contentType, suspect, lastError, deadline } = medium;
  const sourceUrl = medium.sourceUrl.split("?", 1)[0];
  return { id, kind, state, key, bytes, sha256, contentType, suspect, sourceUrl, deadline: iso(deadline), lastError };
}

function attemptOf({ n, startedAt, duration, status, error, response, retryAfter, ...sent }: LoggedAttempt) {
  const { bytes, sha256, probe } = sent;
  return {
    ...{ n, startedAt: iso(startedAt), endedAt: iso(startedAt + duration), status, error },
    ...bytesAs("answer", response),
    ...{ retryAfter: retryAfter === null ? null : Math.ceil(retryAfter / 1000), bytes, sha256, probe },
  };
}

/** What restoring an event takes of its line, which is not one that goes on. Throws for a line that is none. */
export function readLine(line: string): { id: string; videoId: string | null; body: Uint8Array } {
  const { id, videoId, body, bodyBase64 } = JSON.parse(line);
  const bytes = typeof body === "string" ? Buffer.from(body) : Buffer.from(String(bodyBase64), "base64");
  return { id, videoId, body: bytes };
}
