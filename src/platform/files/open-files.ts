import { readFileSync } from "node:fs";

/** The limit of open files and sockets of this process (getrlimit(2)); null where it is not known. */
export function openFilesLimit(): number | null {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}

/** Open files of everything but connections: database, log, threads, downloads. */
const OTHERS = 128;

/** A connection on which a copy is read has a file open as well. */
const FILES_OF_A_READER = 2;

/** The least connections, of addresses that may not send among them, and the least deliveries at once, however low the limit. */
const FEWEST_CONNECTIONS = 16;
const FEWEST_DELIVERIES = 4;

/**
 * The shares of the open files (`limit`: this process's): half is for connections of addresses that may not send
 * (`strangers`), a quarter for deliveries. A quarter is left for the connections on which events come; all `connections`
 * together leave the share of the deliveries, or a flood of events would stop them.
 */
export function shareOpenFiles(limit = openFilesLimit() ?? Number.POSITIVE_INFINITY): {
  connections: number;
  strangers: number;
  deliveries: number;
} {
  const quarter = Math.floor((limit - OTHERS) / 4);
  const deliveries = Math.max(FEWEST_DELIVERIES, quarter);
  return {
    connections: Math.max(FEWEST_CONNECTIONS, quarter * 3),
    strangers: Math.max(FEWEST_CONNECTIONS, Math.floor((quarter * 2) / FILES_OF_A_READER)),
    deliveries,
  };
}
