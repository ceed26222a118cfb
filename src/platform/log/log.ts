import { fstatSync } from "node:fs";
import { errorLine } from "../../errors.ts";
import type { Log } from "../../ports.ts";
import { openLines } from "./line-writer.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** The `log` part of the config. */
export type LogOptions = {
  level: (typeof LOG_LEVELS)[number];
  /** `auto` is pretty on a terminal and JSON elsewhere. */
  format: "auto" | "json" | "pretty";
};

/** A log whose level can be changed. */
export type OpenLog = Log & {
  setLevel(level: LogOptions["level"]): void;
  /** Resolves when all lines are written, or after half a second: for the end of the process. */
  flush(): Promise<void>;
};

/** How long the end of the process waits for the log's reader, in milliseconds. */
const LONGEST_FLUSH = 500;

/**
 * A log on file descriptor `fd`, one line per fact: `{"level":"info","time":"<ISO 8601>","msg":"<the fact>",…fields}`.
 * A warning or an error is written when the call returns, with the lines before it; the others before this turn of the event
 * loop ends (on Deno: to a file, and with all permissions to a pipe; elsewhere soon after). So a crash loses none. A stalled reader delays nothing: 1 MiB of lines waits for it, further ones are dropped, and the next
 * line has their number in `linesLost`. Where `fd` is the journal's stream, which `journal` names ($JOURNAL_STREAM), each line
 * begins with its priority (sd-daemon(3)). An error among the fields becomes one line, without its stack. A URL loses its query
 * and its credentials.
 */
export async function openLog(
  { level, format }: LogOptions,
  isTTY: boolean,
  fd: 1 | 2 = 1,
  { journal }: { journal?: string | undefined } = {},
): Promise<OpenLog> {
  const { pino } = await import("pino");
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  // A pino transport starts a worker from a file of its own, which a bundle does not have.
  const isPretty = format === "pretty" || (format === "auto" && isTTY);
  const prettify = isPretty ? (await import("pino-pretty")).prettyFactory({ colorize: isTTY, ...PRETTY }) : null;
  const lines = await openLines(fd);
  const isPrioritized = isJournal(fd, journal);
  let prefix = "";
  /** Lines of this turn of the event loop, and how many they are worth: a commit is answered by many at once. */
  let waiting = "";
  let worth = 0;
  function put(): void {
    if (waiting !== "") lines.write(waiting, worth);
    waiting = "";
    worth = 0;
  }
  const logger = pino(options, {
    write(line) {
      if (waiting === "") queueMicrotask(put);
      worth++;
      waiting += prefix + (prettify?.(line) ?? line);
    },
  });
  const write = (at: LogOptions["level"]) => (fact: string, fields?: Record<string, unknown>) => {
    if (!logger.isLevelEnabled(at)) return;
    const missing = lines.takeLost();
    worth += missing;
    if (isPrioritized) prefix = `<${PRIORITY[at]}>`;
    logger[at](
      { ...(fields && redactFields(fields)), ...(missing > 0 && { linesLost: missing }) },
      withoutQueries(fact),
    );
    if (at === "warn" || at === "error") put();
  };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    setLevel(level) {
      logger.level = level;
    },
    flush() {
      put();
      return lines.flush(LONGEST_FLUSH);
    },
  };
}

/** With the date, and the zone as its offset: a terminal may have been open for days, on a machine elsewhere. */
const PRETTY = { translateTime: "SYS:yyyy-mm-dd HH:MM:ss.l p", singleLine: true };

/** syslog(3) */
const PRIORITY: Record<LogOptions["level"], number> = { error: 3, warn: 4, info: 6, debug: 7 };

/** Whether `fd` is the stream that is named, as "device:inode" (systemd.exec(5), $JOURNAL_STREAM). */
function isJournal(fd: number, stream: string | undefined): boolean {
  if (!stream) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

function redactFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, redact(value)]));
}

function redact(value: unknown): unknown {
  if (typeof value === "string") return withoutQueries(value);
  if (value instanceof Error) return withoutQueries(errorLine(value));
  if (value instanceof URL) return withoutQueries(value.href);
  return value;
}

/** Removes queries and credentials of URLs: a presigned link is a key to its file. */
export function withoutQueries(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(/(\bhttps?:\/\/)(?:[^\s/?#"'<>@]*@)?([^\s?#"'<>]*)(\?[^\s"'<>]*)?/gi, (_, scheme, rest, query) =>
    query ? `${scheme}${rest}?…` : `${scheme}${rest}`,
  );
}
