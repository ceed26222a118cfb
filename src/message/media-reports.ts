import type { SaidOfMedium } from "../model/delivery.ts";
import type { MediaKind, Medium } from "../model/medium.ts";

const KINDS: MediaKind[] = ["video", "thumbnail"];

/** A medium in an enriched body (CONTRACT, "Enriched body", `relay.media`). */
export type MediumReport = {
  status: "mirrored" | "pending" | "failed" | "expired" | "skipped";
  /** The durable address; null unless it is mirrored. */
  url: string | null;
  /** The provider's link, with its signature: until it expires the consumer can get the file with it. */
  sourceUrl: string;
  bytes: number | null;
  sha256: string | null;
  contentType: string | null;
  suspect: string | null;
  error: string | null;
};

/** The durable address of a mirrored medium; null where the relay's own address is not known. */
export type MediumLink = (medium: Medium) => string | null;

export type MediaReports = {
  media: Partial<Record<MediaKind, MediumReport>>;
  /** Those that are not mirrored: the endpoint gets a notice of how they end. */
  pending: SaidOfMedium[];
};

/** The reports on an event's media as of now, the video first; `eventId` is the event that announced them. */
export function reportMedia(rows: Medium[], eventId: string, link: MediumLink): MediaReports {
  const reports: MediaReports = { media: {}, pending: [] };
  for (const kind of KINDS) {
    const medium = currentMedium(rows, kind);
    if (!medium) continue;
    const report = reportMedium(medium, eventId, link);
    reports.media[kind] = report;
    const { status } = report;
    if (status !== "mirrored") reports.pending.push({ mediumId: medium.id, status });
  }
  return reports;
}

/** Of several rows of one kind the mirrored one, else a live one: a replaced thumbnail is reported as its successor. */
function currentMedium(media: Medium[], kind: MediaKind): Medium | undefined {
  const ofKind = media.filter((medium) => medium.kind === kind);
  const isLive = ({ state }: Medium) => state !== "superseded" && state !== "deleted";
  return ofKind.findLast(({ state }) => state === "mirrored") ?? ofKind.findLast(isLive) ?? ofKind.at(-1);
}

/**
 * A medium in the contract's five statuses, for the event `eventId`. A thumbnail that is fetched again is pending only for the
 * event that announced it again: earlier events have their copy until it is replaced. `superseded` and `deleted` are reported
 * as `skipped`, with the reason as the error: nothing has failed, but there is no copy, and none will come.
 */
function reportMedium(medium: Medium, eventId: string, link: MediumLink): MediumReport {
  const { sourceUrl } = medium;
  const none = { url: null, sourceUrl, bytes: null, sha256: null, contentType: null, suspect: null };
  switch (medium.state) {
    case "mirrored":
      return reportCopy(medium, link);
    case "pending":
    case "running":
      if (medium.key !== null && medium.eventId !== eventId) return reportCopy(medium, link);
      return { status: "pending", ...none, error: medium.lastError };
    case "failed":
    case "expired":
    case "skipped":
      return { status: medium.state, ...none, error: medium.lastError };
    case "superseded":
      return { status: "skipped", ...none, error: `a newer ${medium.kind} of this video has replaced it` };
    case "deleted":
      return { status: "skipped", ...none, error: medium.lastError ?? "the copy was deleted" };
  }
}

function reportCopy(medium: Medium, link: MediumLink): MediumReport {
  const { sourceUrl, bytes, sha256, contentType, suspect } = medium;
  return { status: "mirrored", url: link(medium), sourceUrl, bytes, sha256, contentType, suspect, error: null };
}
