import { spawn } from "node:child_process";
import { once } from "node:events";
import { uptime } from "node:os";
import { isAbsolute } from "node:path";
import process from "node:process";
import { errorLine, RelayError } from "../errors.ts";
import type { Clock, Ports } from "../ports.ts";
import { every } from "./timing.ts";

/** The first file descriptor from systemd (SD_LISTEN_FDS_START, sd_listen_fds(3)). */
const FIRST_FD = 3;

/** Timeout of a notification, in milliseconds; it takes a few. systemd-notify(1) itself waits five seconds for systemd. */
const LONGEST_NOTIFICATION = 8_000;

type Environment = Record<string, string | undefined>;

/** A listening socket from systemd; `name` is FileDescriptorName= of its unit, "unknown" without one. */
export type InheritedSocket = { fd: number; name: string };

/**
 * The listening sockets from systemd, in its order: those of LISTEN_FDS and LISTEN_FDNAMES, where LISTEN_PID is this process
 * (sd_listen_fds(3)). Removes the three from `env` in any case, so that no child of this process uses them.
 */
export function inheritedSockets(env: Environment, pid: number): InheritedSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = "" } = env;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  const count = readNumber(LISTEN_FDS);
  if (readNumber(LISTEN_PID) !== pid || count === null) return [];
  const names = LISTEN_FDNAMES.split(":");
  return Array.from({ length: Math.min(count, 1_024) }, (_, i) => ({ fd: FIRST_FD + i, name: names[i] || "unknown" }));
}

/** Notifies systemd of the service's state (sd_notify(3)). Never throws or rejects. */
export type Notifier = {
  /** It serves: at the start, and at the end of a reload. `status` is one line for `systemctl status`. */
  ready(status: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(status?: string): Promise<void>;
  /** Does nothing where systemd has this text already. */
  status(text: string): Promise<void>;
  /**
   * Notifies the watchdog, at once and then twice in each span of WATCHDOG_USEC (sd_watchdog_enabled(3)), as long as the event
   * loop turns; without that systemd ends the process. The disk has no part in it: no restart repairs one that is full or
   * does not answer, and requests that wait for it would be lost. The returned function ends it. Does nothing where the
   * watchdog is off, or another process's.
   */
  watch(): () => void;
};

/** Sends one notification, made of `VARIABLE=VALUE` assignments; rejects when it could not be sent. */
export type Notify = (assignments: string[]) => Promise<void>;

/**
 * A notifier for the service manager at $NOTIFY_SOCKET; without one it does nothing. Notifications are sent in their order,
 * with `systemd-notify` unless `notify` is given: neither Node nor Deno has datagram sockets of the AF_UNIX family. Removes
 * NOTIFY_SOCKET and the watchdog's variables from `env`, so that no child of this process uses them.
 */
export function openNotifier(env: Environment, ports: Pick<Ports, "clock" | "log">, notify?: Notify): Notifier {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC, WATCHDOG_PID, PATH } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (!socket)
    return { async ready() {}, async reloading() {}, async stopping() {}, async status() {}, watch: () => end };
  const { clock, log } = ports;
  const send = notify ?? bySystemdNotify(socket, PATH ?? "", clock);
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  let lastStatus = "";
  let isFailing = false;

  function queue(...assignments: string[]): Promise<void> {
    waiting++;
    last = last.then(async () => {
      waiting--;
      try {
        await send(assignments);
        isFailing = false;
      } catch (error) {
        if (!isFailing) log.warn("systemd cannot be notified", { error: errorLine(error) });
        isFailing = true;
      }
    });
    return last;
  }

  function sendStatus(text: string, ...before: string[]): Promise<void> {
    lastStatus = text;
    return queue(...before, `STATUS=${text.replace(/[\r\n]+/g, " ")}`);
  }

  const isWatched = WATCHDOG_PID === undefined || readNumber(WATCHDOG_PID) === process.pid;
  const limit = isWatched ? (readNumber(WATCHDOG_USEC) ?? 0) / 1_000 : 0;
  return {
    ready: (text) => sendStatus(text, "READY=1"),
    reloading: () => queue("RELOADING=1", `MONOTONIC_USEC=${monotonic()}`),
    stopping: (text) => (text === undefined ? queue("STOPPING=1") : sendStatus(text, "STOPPING=1")),
    status: (text) => (text === lastStatus ? Promise.resolve() : sendStatus(text)),
    watch() {
      if (limit === 0) return end;
      const notify = () => {
        // One that waits says the same.
        if (waiting === 0) void queue("WATCHDOG=1");
      };
      return every(limit / 2, clock, notify, { first: 0 });
    },
  };
}

function end(): void {}

/** With systemd-notify(1), which every machine with systemd has. It gets nothing else of this environment. */
function bySystemdNotify(socket: string, path: string, clock: Clock): Notify {
  // A service's PATH may be anything; relative folders are skipped.
  const PATH = [...path.split(":").filter(isAbsolute), "/usr/bin", "/bin"].join(":");
  return async (assignments) => {
    const child = spawn("systemd-notify", assignments, { stdio: "ignore", env: { NOTIFY_SOCKET: socket, PATH } });
    const cancel = clock.after(LONGEST_NOTIFICATION, () => child.kill("SIGKILL"));
    try {
      const [code, signal] = await once(child, "exit");
      if (code !== 0) throw new RelayError("unsupported", `systemd-notify ended with ${signal ?? code}`);
    } finally {
      cancel();
    }
  };
}

/**
 * Microseconds of CLOCK_MONOTONIC, by which systemd distinguishes reloads. Deno's own count begins with the process; the time
 * since boot, which is never behind it, replaces it there.
 */
function monotonic(): bigint {
  return process.versions.deno === undefined
    ? process.hrtime.bigint() / 1_000n
    : BigInt(Math.ceil(uptime()) + 1) * 1_000_000n;
}

/** A decimal number as systemd writes it, else null. */
function readNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
