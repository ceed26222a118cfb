import { readFileSync } from "node:fs";

/** How many files and sockets this process may have open at once (getrlimit(2)); null where the system does not say. */
export function openFilesLimit(): number | null {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}

/** What everything but connections needs: database, log, threads, files of downloads. */
const OTHERS = 128;

/** A connection may be that of a reader of a copy, who has a file open as well. */
const FILES_OF_A_READER = 2;

/** How many connections of addresses that may not send are taken, and how many deliveries are under way, however low the limit. */
const FEWEST_STRANGERS = 16;
const FEWEST_DELIVERIES = 4;

/**
 * Who may have how many of the open files (`limit`: this process's): half is for connections of addresses that may not send, a quarter for
 * deliveries. So a quarter is left for the connections on which events come.
 */
export function shareOpenFiles(limit = openFilesLimit() ?? Number.POSITIVE_INFINITY): {
  strangers: number;
  deliveries: number;
} {
  const quarter = Math.floor((limit - OTHERS) / 4);
  return {
    strangers: Math.max(FEWEST_STRANGERS, Math.floor((quarter * 2) / FILES_OF_A_READER)),
    deliveries: Math.max(FEWEST_DELIVERIES, quarter),
  };
}
