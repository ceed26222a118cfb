import type { Config } from "../../config/schema.ts";
import { errorLine, RelayError } from "../../errors.ts";
import { LOG_LEVELS, type LogOptions, type OpenLog, openLog } from "../../platform/log/log.ts";
import { pidNamespace } from "../../platform/processes/other-process.ts";
import { selfCommand } from "../../platform/runtime.ts";
import { inheritedSockets, openNotifier } from "../../platform/systemd.ts";
import { every, within } from "../../platform/timing.ts";
import type { Ports } from "../../ports.ts";
import type { Relay } from "../../relay.ts";
import { coolDownThread, warmUpThread } from "../../store/open.ts";
import { type Command, configOption } from "../command.ts";
import { notedConfig, type ReloadNote, type RunNote, writeRunNote } from "../config/run-note.ts";
import type { Program } from "../program.ts";

/**
 * A stop takes at most this long, in milliseconds: work that still runs then is left to its lease. With what the end of the
 * process waits for (its output, threads that hang) it is less than the ten seconds that are promised.
 */
const LONGEST_STOP = 8_500;

/** A stop that comes while the relay opens waits for that at most this long, in milliseconds. Nothing was taken yet. */
const LONGEST_START_AT_STOP = 3_000;

/** How often the line of `systemctl status` is updated, in milliseconds. */
const STATUS_EVERY = 30_000;

export const command: Command = {
  name: "serve",
  summary: "runs the relay until SIGTERM or SIGINT",
  examples: {
    "wochit-relay serve": "runs with ./config.json, or /etc/wochit-relay/config.json",
    "wochit-relay serve --config relay.json": "runs with this config",
  },
  options: {
    ...configOption,
    "log-level": {
      type: "string",
      value: "LEVEL",
      words: LOG_LEVELS,
      help: `${LOG_LEVELS.join(", ")}; in place of log.level of the config`,
    },
  },
  help: `SIGHUP reads the config again: it is taken whole, or refused whole with its problems in the log. Under systemd the relay
listens on the socket that it inherits, reports its status, and feeds the watchdog (scripts/wochit-relay.service).`,
  async run(program, args) {
    const level = args.word("log-level", LOG_LEVELS);
    // First: without a listener a SIGHUP would end the relay. One that comes before the relay is open is served afterwards.
    const { promise: opened, resolve: setOpened } = Promise.withResolvers<() => Promise<void>>();
    let isStopping = false;
    const reload = inTurn(async () => {
      const take = await opened;
      if (!isStopping) await take();
    });
    program.onHangup(reload);
    await warmUpThread();
    const { path, config, problems } = await program.inspectConfig();
    if (config === null) throw new RelayError("config", problems.map((line) => placed(path, line)).join("\n"));
    if (config.store !== null) void coolDownThread();
    const { JOURNAL_STREAM: journal } = program.env;
    const log = await openLog({ ...config.log, ...(level && { level }) }, program.stdout.isTTY, 1, { journal });
    const ports: Ports = { ...program.ports, log };
    const stopped = program.untilStopped();
    program.reportCrashesTo(log);
    if (path === null) {
      const { listen } = config.server;
      const fact = 'no config file was found, so the defaults hold; "wochit-relay init" writes one';
      log.warn(fact, { listen, dataDir: config.dataDir });
    }

    const notifier = openNotifier(program.env, ports);
    const [socket, ...others] = inheritedSockets(program.env, program.pid);
    if (others.length > 0)
      log.warn("only the first socket that systemd handed over is listened on", { others: others.length });
    const { openRelay } = await import("../../relay.ts");
    const opening = openRelay(config, ports, {
      threads: true,
      self: selfCommand(),
      ...(socket && { socket: socket.fd }),
    });
    const stop = async (signal: string, longest: number, late: string) => {
      log.info("stopping", { signal });
      isStopping = true;
      void notifier.stopping();
      await closeInTime(async () => (await opening).close(), ports, longest, late);
    };
    const early = await Promise.race([stopped, opening.then(() => null)]);
    if (early !== null) return stop(early, LONGEST_START_AT_STOP, "it was not open yet");

    const relay = await opening;
    const unwatch = notifier.watch();
    let isRefused = false;
    const describe = () => relay.describe() + (isRefused ? "; the config on disk is refused, see the log" : "");
    const { pid, version } = program;
    const { origin } = new URL(relay.url);
    const run = { pid, version, startedAt: ports.clock.now(), namespace: pidNamespace(), origin, config: path };
    let running = config;
    const note = noteRun(config.dataDir, () => ({ ...run, holds: notedConfig(running) }), log);
    note(null);
    setOpened(async () => {
      void notifier.reloading();
      const outcome = await takeConfig(program, path, relay, log, level, (taken) => {
        running = taken;
      });
      isRefused = outcome.problems.length > 0;
      note(outcome);
      void notifier.ready(describe());
    });
    // Notifications are not awaited: a service manager that does not read them blocks nothing.
    void notifier.ready(describe());
    const endStatus = every(STATUS_EVERY, ports.clock, () => void notifier.status(describe()));

    const signal = await stopped;
    endStatus();
    unwatch();
    await stop(signal, LONGEST_STOP, "some work is left to its lease: it goes on at the next start");
  },
};

/** Runs `run`, which must not reject, once at a time; calls that come while one waits for its turn are served by that one. */
function inTurn(run: () => Promise<void>): () => void {
  let last: Promise<void> = Promise.resolve();
  let isWaiting = false;
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    last = last.then(() => {
      isWaiting = false;
      return run();
    });
  };
}

/** Writes down for commands which process this is, and its last reload. It waits for no disk. */
function noteRun(
  dataDir: string,
  run: () => Omit<RunNote, "reload">,
  log: OpenLog,
): (reload: ReloadNote | null) => void {
  let last: Promise<void> = Promise.resolve();
  return (reload) => {
    const write = () => writeRunNote(dataDir, { ...run(), reload });
    last = last
      .then(write)
      .catch((error) => log.warn('"wochit-relay reload" cannot be answered', { error: errorLine(error) }));
  };
}

/** Reads the file again that the relay was started with, and takes it whole, or refuses it whole, with its problems. */
async function takeConfig(
  program: Program,
  path: string | null,
  relay: Relay,
  log: OpenLog,
  level: LogOptions["level"] | undefined,
  onTaken: (config: Config) => void,
): Promise<ReloadNote> {
  const begunAt = program.ports.clock.now();
  const outcome = { begunAt, config: path, problems: [], warnings: [], changed: [], needsRestart: [], environment: [] };
  try {
    const inspected = await program.inspectConfig(path ?? undefined);
    const { path: file, config, problems, warnings } = inspected;
    const environment = [...new Set(inspected.secrets?.variables)];
    if (config === null) {
      for (const line of problems) log.error("config problem", { problem: placed(file, line) });
      log.error("config refused: the old one holds", { config: file, problems: problems.length });
      return { ...outcome, problems, environment };
    }
    const { changed, needsRestart, warnings: more } = await relay.reload(config);
    onTaken(config);
    log.setLevel(level ?? config.log.level);
    for (const warning of warnings) log.warn(warning);
    log.info("config taken", { config: file, changed });
    if (needsRestart.length > 0) log.warn("these options change at the next start", { options: needsRestart });
    return { ...outcome, warnings: [...warnings, ...more], changed, needsRestart, environment };
  } catch (error) {
    log.error("config refused: the old one holds", { error: errorLine(error) });
    return { ...outcome, problems: [errorLine(error)] };
  }
}

function placed(path: string | null, line: string): string {
  return path === null ? line : `${path}: ${line}`;
}

/** Closes within `longest` milliseconds, or says in the log that it did not, with `left`. */
async function closeInTime(
  close: () => Promise<void>,
  { clock, log }: Ports,
  longest: number,
  left: string,
): Promise<void> {
  const late = () => new Error(left);
  const trouble = await within(longest, clock, close, { late }).then(() => null, errorLine);
  if (trouble === null) log.info("stopped");
  else log.warn("stopped", { trouble });
}
