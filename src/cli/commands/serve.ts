import { errorLine, RelayError } from "../../errors.ts";
import { type OpenLog, openLog } from "../../platform/log/log.ts";
import { selfCommand } from "../../platform/runtime.ts";
import { inheritedSockets, type Notifier, openNotifier } from "../../platform/systemd.ts";
import { every, within } from "../../platform/timing.ts";
import type { Ports } from "../../ports.ts";
import type { Relay } from "../../relay.ts";
import { type Command, configOption } from "../command.ts";
import type { Program } from "../program.ts";

/** A stop takes no longer than this, in milliseconds: what is still running then is left to its lease. */
const LONGEST_STOP = 9_000;

/** How often `systemctl status` is told how things are. */
const STATUS_EVERY = 30_000;

export const command: Command = {
  name: "serve",
  summary: "runs the relay until SIGTERM or SIGINT",
  options: { ...configOption },
  help: `SIGHUP reads the config again: it is taken whole, or refused whole with its problems in the log. Under systemd the relay
listens on the socket that is handed to it, says how it is, and feeds the watchdog (scripts/wochit-relay.service).`,
  async run(program) {
    const { path, config, problems } = await program.inspectConfig();
    if (config === null) throw new RelayError("config", problems.map((line) => placed(path, line)).join("\n"));
    const log = await openLog(config.log, program.stdout.isTTY, 1);
    const ports: Ports = { ...program.ports, log };
    const stopped = program.untilStopped();
    program.reportCrashesTo(log);
    // Without a listener a SIGHUP would end the relay; one that comes early is heeded when there is one to reload.
    let reload = () => {
      early = true;
    };
    let early = false;
    program.onHangup(() => reload());

    const notifier = openNotifier(program.env, ports);
    const [socket, ...others] = inheritedSockets(program.env, program.pid);
    if (others.length > 0)
      log.warn("only the first socket that systemd handed over is listened on", { others: others.length });
    const { openRelay } = await import("../../relay.ts");
    const relay = await openRelay(config, ports, { self: selfCommand(), ...(socket && { socket: socket.fd }) });
    const unwatch = notifier.watch(relay.answers);
    const state = { isRefused: false };
    reload = reloader({ program, path, log, relay, notifier, state });
    if (early) reload();
    // Not waited for, here and below: whoever is told, and does not listen, holds up nothing.
    void notifier.ready(describe(relay, state));
    const quiet = keepTelling(() => describe(relay, state), notifier, ports);

    log.info("stopping", { signal: await stopped });
    reload = () => {};
    quiet();
    unwatch();
    void notifier.stopping();
    await closeInTime(relay, ports);
    return 0;
  },
};

type Parts = {
  program: Pick<Program, "inspectConfig">;
  path: string | null;
  log: OpenLog;
  relay: Relay;
  notifier: Notifier;
  state: State;
};

/** `isRefused`: the config on disk is not the one that holds. */
type State = { isRefused: boolean };

function describe(relay: Relay, { isRefused }: State): string {
  return isRefused ? `${relay.describe()}; the config on disk is refused, see the log` : relay.describe();
}

/**
 * What a SIGHUP does: the file that the relay was started with is read again, and taken whole or not at all. One comes
 * after the other; what is signalled while one waits is served by that one.
 */
function reloader({ program, path, log, relay, notifier, state }: Parts): () => void {
  let last: Promise<void> = Promise.resolve();
  let waiting = false;
  async function reload(): Promise<void> {
    waiting = false;
    void notifier.reloading();
    try {
      state.isRefused = !(await take());
    } catch (error) {
      state.isRefused = true;
      log.error("config refused: the old one holds", { error: errorLine(error) });
    }
    void notifier.ready(describe(relay, state));
  }

  /** False: it was refused. */
  async function take(): Promise<boolean> {
    const { path: file, config, problems, warnings } = await program.inspectConfig(path ?? undefined);
    if (config === null) {
      for (const line of problems) log.error("config problem", { problem: placed(file, line) });
      log.error("config refused: the old one holds", { config: file, problems: problems.length });
      return false;
    }
    const { changed, needsRestart } = await relay.reload(config);
    log.setLevel(config.log.level);
    for (const warning of warnings) log.warn(warning);
    log.info("config taken", { config: file, changed });
    if (needsRestart.length > 0) log.warn("these options change at the next start", { options: needsRestart });
    return true;
  }

  return () => {
    if (waiting) return;
    waiting = true;
    last = last.then(reload);
  };
}

function placed(path: string | null, line: string): string {
  return path === null ? line : `${path}: ${line}`;
}

/** Tells systemd how things are, when that has changed. Returns the end of it. */
function keepTelling(describe: () => string, notifier: Notifier, { clock }: Ports): () => void {
  let told = describe();
  return every(STATUS_EVERY, clock, () => {
    const now = describe();
    if (now !== told) void notifier.status(now);
    told = now;
  });
}

async function closeInTime(relay: Relay, { clock, log }: Ports): Promise<void> {
  const late = () => new Error("some work is left to its lease: it goes on at the next start");
  const trouble = await within(LONGEST_STOP, clock, () => relay.close(), { late }).then(() => null, errorLine);
  if (trouble === null) log.info("stopped");
  else log.warn("stopped", { trouble });
}
