import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { codeOf, errorLine } from "../../../errors.ts";
import { freeBytesSync } from "../../../platform/files/disk-space.ts";
import type { Clock, Log } from "../../../ports.ts";

/** Room kept back for the hour when the disk is full: enough for some ten thousand events. */
export const SIZE = 16 * 2 ** 20;
const CHUNK = 2 ** 20;

/** A reserve that was freed is made again when this much more than itself is free, looked at once a minute. */
const COMFORT = 4 * SIZE;
const LOOK_EVERY = 60_000;

/** A disk with less room than this is full, whatever SQLite calls it, in bytes. */
const NO_ROOM = 2 ** 20;

/**
 * Whether a failed commit says that the disk is full: SQLITE_FULL, or an I/O error where there is no room (the file of shared
 * memory that cannot grow is SQLITE_IOERR_SHMSIZE). A disk that fails otherwise is not helped by room.
 */
export function isDiskFull(error: unknown, dir: string): boolean {
  const code = codeOf(error);
  if (code === "SQLITE_FULL") return true;
  if (!code.startsWith("SQLITE_IOERR")) return false;
  try {
    return freeBytesSync(dir) < NO_ROOM;
  } catch {
    return false;
  }
}

/**
 * A file of real bytes that is deleted when a commit fails on a full disk, so that events are accepted until an operator has
 * made room.
 */
export function openReserve(dir: string, clock: Clock, log: Log): { free(): void; close(): void } {
  const path = join(dir, "reserve");
  let cancel: () => void = () => {};
  let isStuck = false;

  function make(): void {
    try {
      if (freeBytesSync(dir) < COMFORT) return later();
      const file = openSync(path, "w", 0o600);
      try {
        // Not zeros, and not equal chunks: a file system that compresses or shares blocks would keep nothing back.
        const chunk = new Uint32Array(CHUNK / 4);
        for (let written = 0; written < SIZE; written += CHUNK) {
          for (let at = 0; at < chunk.length; at++) chunk[at] = Math.imul(written + 4 * at + 1, 0x9e3779b1);
          writeSync(file, chunk);
        }
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      log.warn("reserve not made", { path, error: errorLine(error) });
      try {
        rmSync(path, { force: true });
      } catch {
        // The disk takes no change at all.
      }
      later();
    }
  }

  function later(): void {
    cancel();
    cancel = clock.after(LOOK_EVERY, make);
  }

  if (!existsSync(path)) make();
  return {
    free() {
      if (!existsSync(path)) return;
      try {
        rmSync(path, { force: true });
      } catch (error) {
        if (!isStuck)
          log.error("disk full, and the reserve cannot be freed; make room now", { path, error: errorLine(error) });
        isStuck = true;
        return;
      }
      isStuck = false;
      log.error("disk full: the reserve was freed; make room now", { path, bytes: SIZE });
      later();
    },
    close: () => cancel(),
  };
}
