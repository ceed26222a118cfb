import { formatSize, formatSpan, relativeTime } from "../format.ts";
import type { Facts, Judged, Standing } from "./shape.ts";

const DAY = 86_400_000;

/** Nothing could be archived, and so pruned, for this long; milliseconds. */
const ARCHIVE_FAILS = 6 * 3_600_000;

/** What fills, what takes no copies, and what is not backed up or archived: the judgement of DiskOrBackup. */
export function judgeDiskAndBackup(facts: Facts): Judged[] {
  return [...judgeDisk(facts), ...judgeTarget(facts), ...judgeBackup(facts), ...judgeArchive(facts)];
}

/** There is too little room for downloads: the judgement of DownloadsStopped. */
export function judgeDownloads({ disk }: Facts): Standing[] {
  if (disk === null || disk.free >= disk.downloads) return [];
  const least = formatSize(disk.downloads);
  return [
    {
      what: `Downloads are stopped: the disk of dataDir has ${formatSize(disk.free)} free, below mirror.minFreeDisk (${least})`,
      means: "Links of media die meanwhile. Make room on that disk, or set mirror.minFreeDisk lower and reload.",
      commands: ["wochit-relay media list --by deadline", "wochit-relay doctor"],
      page: "/media?by=deadline",
    },
  ];
}

function judgeDisk({ disk }: Facts): Judged[] {
  if (disk === null || disk.free >= 2 * disk.needed || disk.free < disk.downloads) return [];
  return [
    {
      subject: "disk",
      what: `The disk of dataDir fills: ${formatSize(disk.free)} are free`,
      means: `Below ${formatSize(disk.needed)} downloads wait. Events are still taken, until it is full.`,
      // The relay prunes by itself what has expired: to prune frees next to nothing.
      commands: ["wochit-relay status", "wochit-relay doctor"],
      page: "/settings",
    },
  ];
}

function judgeTarget({ targetTrouble }: Facts): Judged[] {
  if (targetTrouble === null) return [];
  return [
    {
      subject: "target",
      what: "The target takes no copies",
      means: `${targetTrouble}. Downloads are kept in the spool meanwhile.`,
      commands: ["wochit-relay doctor"],
      page: "/settings",
    },
  ];
}

function judgeBackup({ backup: { every, lastAt, failure, bornAt }, now }: Facts): Judged[] {
  if (every === null) return [];
  const since = lastAt ?? bornAt;
  if (failure === null && (since === null || now - since <= Math.max(2 * every, 2 * DAY))) return [];
  const last =
    lastAt === null ? "None was made yet" : `The last that was checked was made ${relativeTime(lastAt, now)}`;
  return [
    {
      subject: "backup",
      what: failure === null ? "No backup was checked of late" : "The last backup failed",
      means: `${failure === null ? "" : `${failure}. `}${last}; one is to be made every ${formatSpan(every)}.`,
      commands: ["wochit-relay doctor", "wochit-relay backup FILE"],
      page: "/settings",
    },
  ];
}

function judgeArchive({ archive, now }: Facts): Judged[] {
  if (archive === null || now - archive.since <= ARCHIVE_FAILS) return [];
  return [
    {
      subject: "archive",
      what: `What has expired cannot be archived since ${relativeTime(archive.since, now)}`.replace(/ ago$/, ""),
      means: `${archive.error}. It is not pruned meanwhile, and the database grows.`,
      commands: ["wochit-relay doctor", "wochit-relay prune"],
      page: "/settings",
    },
  ];
}
