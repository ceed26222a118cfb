import pkg from "../package.json" with { type: "json" };
import type { Command } from "./backup/open.ts";
import { type Config, parseListen } from "./config/schema.ts";
import { errorLine, RelayError } from "./errors.ts";
import { type Listener, listen } from "./platform/http/server.ts";
import { readTls } from "./platform/http/tls-files.ts";
import { environment, selfCommand } from "./platform/runtime.ts";
import type { Ports } from "./ports.ts";
import { compareConfigs } from "./relay/changes.ts";
import { type Core, openCore } from "./relay/core.ts";
import type { Door } from "./relay/public-app.ts";
import { openStandby, type Standby, sicknessOf, whyUnwritable } from "./relay/standby.ts";
import { steadyClock } from "./upkeep/steady-clock.ts";

/** At a stop, for answers under way, in milliseconds; jobs come after them. */
const ANSWER_GRACE = 3_000;

/** After how long a store that could not be opened is tried again, in milliseconds: doubled from try to try, up to the second. */
const OPEN_AGAIN = 1_000;
const LONGEST_OPEN_AGAIN = 8_000;

export type Relay = {
  /** Where the webhook is received, as seen from this machine. */
  url: string;
  port: number;
  /**
   * Takes another config while it runs: whole, or, where something of it cannot be used (it throws then), nothing of it.
   * Says what it takes, and what it cannot take before the next start, by their names in the file.
   */
  reload(config: Config): Promise<{ changed: string[]; needsRestart: string[] }>;
  /** Resolves once the store has answered, with success or with its trouble; a relay that hangs leaves it open. */
  answers(): Promise<true>;
  /** One line for an operator: what it does, and what is wrong. */
  describe(): string;
  /** Takes nothing new, lets running work finish or leaves it to its lease, closes the store. */
  close(): Promise<void>;
};

/**
 * `workers: false` receives and stores, but downloads and delivers nothing. `socket`: a file descriptor that listens already.
 * `self`: how the program is started again; with it the database is checked now and then, by a process of its own.
 */
export type RelayOptions = { workers?: boolean; socket?: number; self?: Command };

/**
 * Opens everything the picture in the README shows, and ties it together. What was opened is closed in reverse, also
 * when a later step fails. On a disk that is read-only, full or broken it stands by: it listens, answers 503, and begins to
 * work by itself once the store can be opened.
 */
export async function openRelay(
  given: Config,
  { clock: machine, ...others }: Ports,
  options: RelayOptions = {},
): Promise<Relay> {
  const { log } = others;
  const clock = steadyClock(machine, log);
  const ports = { ...others, clock };
  const { workers = true, self = selfCommand() } = options;
  let config = given;
  let core: Core | null = null;
  let standby: Standby | null = null;
  let trouble = "";
  let listener: Listener | null = null;
  let closing = false;
  /** What changes the relay as a whole comes one after the other. */
  let turns: Promise<unknown> = Promise.resolve();
  let cancelOpening = () => {};
  let openAgain = OPEN_AGAIN;

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = turns.then(() => {
      if (closing) throw new RelayError("conflict", "the relay is stopping");
      return work();
    });
    turns = turn.catch(() => {});
    return turn;
  }

  const origin = (host: string) => {
    const { port = 0 } = listener ?? {};
    return `${config.server.tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  };
  const publicUrl = () => config.server.publicUrl ?? origin(environment().hostname);
  const open = () =>
    openCore(config, {
      ports,
      workers,
      self,
      checks: options.self !== undefined,
      publicUrl,
      onLost: () => void inTurn(openAnew).catch(() => {}),
    });

  function failed(line: string): void {
    if (line !== trouble) log.error("the store cannot be used: events are refused until it can", { error: line });
    trouble = line;
  }

  const serve = ({ app, gate }: Door) => listener?.serve(app, gate);

  /** Tried again and again, until it is open: then the work begins. */
  async function tryToOpen(): Promise<void> {
    // It is read from meanwhile.
    if (standby !== null && whyUnwritable(config.dataDir) === "EROFS") return openLater();
    // SQLite shares the log's index among the connections of a process: one that opened it to read keeps the others from writing.
    await standby?.close();
    let opened: Core | null = null;
    try {
      opened = await open();
      await opened.start();
    } catch (error) {
      await opened?.close();
      await standBy(sicknessOf(error, config.dataDir) ?? errorLine(error));
      openLater();
      return;
    }
    core = opened;
    serve(core.door);
    standby = null;
    trouble = "";
    openAgain = OPEN_AGAIN;
    log.info("the store can be used: events are taken", { freed: core.freed });
  }

  function openLater(): void {
    cancelOpening = clock.after(openAgain, () => void inTurn(tryToOpen).catch(() => {}));
    openAgain = Math.min(2 * openAgain, LONGEST_OPEN_AGAIN);
  }

  /** The store has lost a file: all that works on it ends, and begins with a store that is opened anew. */
  async function openAnew(): Promise<void> {
    if (core === null) return;
    const lost = core;
    core = null;
    trouble = "the store is opened anew";
    standby = await openStandby(config, ports, { trouble: () => trouble, readsStore: false });
    serve(standby.door);
    await lost.close({ isLost: true });
    await tryToOpen();
  }

  async function standBy(sickness: string): Promise<void> {
    failed(sickness);
    standby = await openStandby(config, ports, { trouble: () => trouble });
    serve(standby.door);
  }

  /** Begins the work; on a disk that fails only now, later. */
  async function begin(): Promise<void> {
    try {
      await core?.start();
    } catch (error) {
      const sickness = sicknessOf(error, config.dataDir);
      if (sickness === null) throw error;
      await core?.close();
      core = null;
      await standBy(sickness);
    }
    if (core === null) openLater();
  }

  async function close(): Promise<void> {
    closing = true;
    cancelOpening();
    await Promise.all([turns, listener?.close(ANSWER_GRACE)]);
    await core?.close();
    await standby?.close();
  }

  try {
    try {
      core = await open();
    } catch (error) {
      const sickness = sicknessOf(error, config.dataDir);
      if (sickness === null) throw error;
      await standBy(sickness);
    }
    const { tls } = config.server;
    const socket = options.socket === undefined ? parseListen(config.server.listen)! : { fd: options.socket };
    const { app, gate } = (core ?? standby!).door;
    listener = await listen(app, { ...socket, tls }, clock, { gate, log });
    const { host, port, renewTls } = listener;
    await begin();

    async function reload(next: Config) {
      const { config: wanted, changed, needsRestart, mirrorWork } = compareConfigs(config, next);
      // What can fail comes first: then all of the old config holds.
      const pair = wanted.server.tls && readTls(wanted.server.tls);
      const onTaken = (door: Door) => {
        // Other bytes in the same files are a change too.
        if (pair && renewTls(pair) && !changed.includes("server")) changed.push("server.tls");
        config = wanted;
        serve(door);
      };
      if (core !== null) await core.reload({ config: wanted, changed, mirrorWork }, onTaken);
      else {
        const former = standby;
        standby = await openStandby(wanted, ports, { trouble: () => trouble });
        onTaken(standby.door);
        await former?.close();
      }
      return { changed, needsRestart };
    }

    const url = origin(host) + config.receive.path;
    for (const warning of config.warnings) log.warn(warning);
    const asked = parseListen(config.server.listen)!.port;
    if (options.socket !== undefined && asked !== port && asked !== 0) {
      log.warn("server.listen is not what is listened on: the socket was handed over", { asked, port });
    }
    log.info("listening", {
      version: pkg.version,
      url: origin(host),
      receive: config.receive.path,
      publicUrl: publicUrl(),
      dataDir: config.dataDir,
      ...(core && { freed: core.freed }),
    });
    return {
      url,
      port,
      close,
      reload: (next) => inTurn(() => reload(next)),
      async answers() {
        await core?.answers();
        return true;
      },
      describe() {
        const troubles = core?.troubles() ?? [`events cannot be committed: ${trouble}`];
        const { length: apps } = config.endpoints;
        const doing = `Receiving on ${origin(host)}, ${apps} endpoint${apps === 1 ? "" : "s"}, ${core?.events() ?? 0} events since the start`;
        return troubles.length === 0 ? doing : `${doing}; TROUBLE: ${troubles.join("; ")}`;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
