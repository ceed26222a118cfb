import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { uptime } from "node:os";
import { isAbsolute, join } from "node:path";
import process from "node:process";
import { errorLine, RelayError } from "../errors.ts";
import type { Clock, Ports } from "../ports.ts";

/** The first file descriptor that is handed over (SD_LISTEN_FDS_START, sd_listen_fds(3)). */
const FIRST_FD = 3;

/** A notification takes a few milliseconds. systemd-notify(1) itself waits five seconds for systemd to take it in. */
const LONGEST_TELLING = 8_000;

type Environment = Record<string, string | undefined>;

/** A listening socket that was handed over; `name` is FileDescriptorName= of its unit, "unknown" where nobody named it. */
export type InheritedSocket = { fd: number; name: string };

/**
 * The listening sockets that systemd handed over, in its order: those of LISTEN_FDS and LISTEN_FDNAMES, and only where
 * LISTEN_PID is this process (sd_listen_fds(3)). Takes the three out of `env`, whoever they were for: no child of this
 * process is to take them for its own.
 */
export function inheritedSockets(env: Environment, pid: number): InheritedSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = "" } = env;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  const count = readNumber(LISTEN_FDS);
  if (readNumber(LISTEN_PID) !== pid || count === null) return [];
  const names = LISTEN_FDNAMES.split(":");
  return Array.from({ length: Math.min(count, 1_024) }, (_, i) => ({ fd: FIRST_FD + i, name: names[i] || "unknown" }));
}

/** Tells systemd how the service is (sd_notify(3)). Nothing here ever throws or rejects. */
export type Notifier = {
  /** It serves: at the start, and at the end of a reload. `status` is one line for who runs `systemctl status`. */
  ready(status: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(status?: string): Promise<void>;
  /** Resolves at once where systemd has this text already. */
  status(text: string): Promise<void>;
  /**
   * Feeds the watchdog, at once and then twice in each span of WATCHDOG_USEC (sd_watchdog_enabled(3)), each time that
   * `answers` has resolved true. What does not answer, or not in time, is not fed, and systemd ends the process. That it
   * rejects is an answer as well: a restart mends no full disk. The returned function ends the feeding. Does nothing where
   * no watchdog is asked for, or it is another process's.
   */
  watch(answers: () => Promise<boolean>): () => void;
};

/** Sends one notification, made of `VARIABLE=VALUE` assignments; rejects when it could not be sent. */
export type Tell = (assignments: string[]) => Promise<void>;

/**
 * A notifier for the service manager that $NOTIFY_SOCKET leads to; without one it does nothing. Notifications are sent in
 * their order, by `systemd-notify`, unless told otherwise: neither Node nor Deno has datagram sockets of the AF_UNIX family.
 * Takes NOTIFY_SOCKET and the watchdog's variables out of `env`: no child of this process is to speak in its name.
 */
export function openNotifier(env: Environment, ports: Pick<Ports, "clock" | "log">, tell?: Tell): Notifier {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC, WATCHDOG_PID, PATH } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (!socket)
    return { async ready() {}, async reloading() {}, async stopping() {}, async status() {}, watch: () => end };
  const { clock, log } = ports;
  const send = tell ?? tellBySystemdNotify(socket, PATH ?? "", clock);
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  let told = "";
  let isFailing = false;

  function say(...assignments: string[]): Promise<void> {
    waiting++;
    last = last.then(async () => {
      waiting--;
      try {
        await send(assignments);
        isFailing = false;
      } catch (error) {
        if (!isFailing) log.warn("systemd cannot be told how the relay is", { error: errorLine(error) });
        isFailing = true;
      }
    });
    return last;
  }

  function tellStatus(text: string, ...before: string[]): Promise<void> {
    told = text;
    return say(...before, `STATUS=${text.replace(/[\r\n]+/g, " ")}`);
  }

  const isWatched = WATCHDOG_PID === undefined || readNumber(WATCHDOG_PID) === process.pid;
  const limit = isWatched ? (readNumber(WATCHDOG_USEC) ?? 0) / 1_000 : 0;
  return {
    ready: (text) => tellStatus(text, "READY=1"),
    reloading: () => say("RELOADING=1", `MONOTONIC_USEC=${monotonic()}`),
    stopping: (text) => (text === undefined ? say("STOPPING=1") : tellStatus(text, "STOPPING=1")),
    status: (text) => (text === told ? Promise.resolve() : tellStatus(text)),
    watch: (answers) =>
      limit > 0 ? feed({ limit, answers, food: () => (waiting > 0 ? last : say("WATCHDOG=1")) }, ports) : end,
  };
}

function end(): void {}

/** `limit` in milliseconds: whoever is not fed for so long is ended. */
function feed(
  { limit, answers, food }: { limit: number; answers: () => Promise<boolean>; food: () => Promise<void> },
  { clock, log }: Pick<Ports, "clock" | "log">,
): () => void {
  let isOver = false;
  let cancel = end;
  // One question at a time: where the answer does not come, there is nothing more to be done about it.
  async function turn(): Promise<void> {
    const asked = clock.elapsed();
    cancel = clock.after(limit / 2, () => log.error("the relay does not answer itself: the watchdog is not fed"));
    const answer = await answers().catch(() => true);
    if (isOver) return;
    cancel();
    if (answer) void food();
    // One that may still come right is asked again before it is too late.
    const pause = answer ? limit / 2 : limit / 10;
    cancel = clock.after(pause - (clock.elapsed() - asked), () => void turn());
  }
  void turn();
  return () => {
    isOver = true;
    cancel();
  };
}

/** By the program that every machine with systemd has (systemd-notify(1)). It gets nothing else of this environment. */
function tellBySystemdNotify(socket: string, path: string, clock: Clock): Tell {
  return (assignments) => {
    const program = findProgram("systemd-notify", path);
    return new Promise((resolve, reject) => {
      const child = spawn(program, assignments, { stdio: "ignore", env: { NOTIFY_SOCKET: socket } });
      const cancel = clock.after(LONGEST_TELLING, () => child.kill("SIGKILL"));
      child.once("error", (error) => {
        cancel();
        reject(error);
      });
      child.once("exit", (code, signal) => {
        cancel();
        if (code === 0) resolve();
        else reject(new RelayError("unsupported", `${program} ended with ${signal ?? code}`));
      });
    });
  };
}

function findProgram(name: string, path: string): string {
  // A service's PATH may be anything, and a folder relative to who knows what is not looked into.
  const candidates = [...path.split(":"), "/usr/bin", "/bin"].filter(isAbsolute).map((dir) => join(dir, name));
  const found = candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new RelayError("unsupported", `there is no ${name}: it comes with systemd`);
  return found;
}

/**
 * Microseconds of CLOCK_MONOTONIC, by which systemd knows this reload from an earlier one. Deno's own count begins with the
 * process; there the time since boot has to do, which is never behind it.
 */
function monotonic(): bigint {
  return process.versions.deno === undefined
    ? process.hrtime.bigint() / 1_000n
    : BigInt(Math.ceil(uptime()) + 1) * 1_000_000n;
}

/** A decimal number as systemd writes it; null for anything else. */
function readNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
