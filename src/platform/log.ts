import type { Log } from "../domain.ts";
import { errorLine } from "../errors.ts";

/** What a log is opened with: the `log` part of the config. */
export type LogOptions = {
  level: "debug" | "info" | "warn" | "error";
  /** `auto` is pretty on a terminal and JSON elsewhere. */
  format: "auto" | "json" | "pretty";
};

/** A log whose level can be changed while it is written to. */
export type OpenLog = Log & { setLevel(level: LogOptions["level"]): void };

/**
 * A log on file descriptor `fd`, one line per fact: `{"level":"info","time":"<ISO 8601>","msg":"<the fact>",…fields}`.
 * Each line has left the process when the call returns, so nothing is lost at a crash. An error among the fields becomes
 * one line, and a URL loses its query and its credentials: no signature, no stack.
 */
export async function openLog({ level, format }: LogOptions, isTTY: boolean, fd: 1 | 2 = 1): Promise<OpenLog> {
  const { pino } = await import("pino");
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  // No pino transport: it starts a worker from a file of its own, which a bundle does not have.
  const pretty = format === "pretty" || (format === "auto" && isTTY);
  const destination = pretty
    ? (await import("pino-pretty")).default({ destination: fd, sync: true, colorize: isTTY, ...PRETTY })
    : pino.destination({ dest: fd, sync: true });
  let lost = 0;
  destination.on("error", () => lost++);
  const logger = pino(options, destination);
  // A full disk under the log must not fail what the line speaks of; how many lines it cost is said when it takes one again.
  const write = (at: LogOptions["level"]) => (fact: string, fields?: Record<string, unknown>) => {
    if (!logger.isLevelEnabled(at)) return;
    const missing = lost;
    try {
      logger[at](
        { ...(fields && harmlessFields(fields)), ...(missing > 0 && { linesLost: missing }) },
        withoutQueries(fact),
      );
      lost -= missing;
    } catch {
      lost++;
    }
  };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    setLevel(level) {
      logger.level = level;
    },
  };
}

const PRETTY = { translateTime: "SYS:HH:MM:ss.l", singleLine: true };

function harmlessFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, harmless(value)]));
}

function harmless(value: unknown): unknown {
  if (typeof value === "string") return withoutQueries(value);
  if (value instanceof Error) return withoutQueries(errorLine(value));
  if (value instanceof URL) return withoutQueries(value.href);
  return value;
}

/** A presigned link is a key to the file: what makes it one stays out of every log. */
export function withoutQueries(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(/(\bhttps?:\/\/)(?:[^\s/?#"'<>@]*@)?([^\s?#"'<>]*)(\?[^\s"'<>]*)?/gi, (_, scheme, rest, query) =>
    query ? `${scheme}${rest}?…` : `${scheme}${rest}`,
  );
}
