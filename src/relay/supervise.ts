import pkg from "../../package.json" with { type: "json" };
import type { StorePlace } from "../admin/operation.ts";
import { type Config, parseListen } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import { originOf } from "../links/durable-link.ts";
import { type App, type Listener, listen } from "../platform/http/server.ts";
import { readTls } from "../platform/http/tls-files.ts";
import { createTurns } from "../platform/keyed-mutex.ts";
import type { Command } from "../platform/processes/own-process.ts";
import { environment, selfCommand } from "../platform/runtime.ts";
import type { Ports } from "../ports.ts";
import { type Doubling, doublingWait } from "../rules/schedule.ts";
import { type SteadyClock, steadyClock } from "../upkeep/steady-clock.ts";
import { createAdmin } from "./admin.ts";
import { compareConfigs, noteReload, type Taken } from "./changes.ts";
import { createDoctor } from "./doctor.ts";
import type { Door } from "./public-app.ts";
import { isHeld, openStandby, type Standby, sicknessOf, whyUnwritable } from "./standby.ts";

/** At a stop, time for answers under way, in milliseconds; jobs come after them. */
const ANSWER_GRACE = 3_000;

/** Delay before a store that could not be opened is tried again. */
const OPEN_AGAIN: Doubling = { first: 1_000, longest: 8_000 };

export type Relay = {
  /** The address of the webhook route on this machine. */
  url: string;
  port: number;
  /**
   * Applies another config while it runs: all of it, or nothing where a part cannot be used (then it throws).
   */
  reload(config: Config): Promise<Taken>;
  /** An address of the dashboard that logs in once, within `life` milliseconds; null: there is none now. */
  loginLink(life: number): Promise<string | null>;
  /** One line for an operator: what it does, and what is wrong. */
  describe(): string;
  /** Accepts nothing new, lets running work finish or leaves it to its lease, closes the store. */
  close(): Promise<void>;
};

/**
 * `workers: false` receives and stores, but downloads and delivers nothing. `socket`: a file descriptor that listens already.
 * `self`: how to start this program again; with it the database is checked once a day in a process of its own. `threads`:
 * the store works on threads of its own, which take the machine's clock.
 */
export type RelayOptions = { workers?: boolean; socket?: number; self?: Command; threads?: boolean };

/** Everything that works on the store: the answers of the public listener, and the work on media and deliveries. */
export type Pipeline = {
  /** The app to serve now. */
  door(): Door;
  /** What the admin listener works with, beside what is known of the process. */
  place: StorePlace;
  /** Number of leases of an earlier process that were freed. */
  freed: number;
  /** Starts the workers. Before it, events are accepted and stored. */
  start(): Promise<void>;
  /**
   * Applies another config. What can fail comes first: then it throws, and the old config holds. `onTaken` is called when
   * nothing can fail any longer.
   */
  reload(config: Config, onTaken: () => void): Promise<void>;
  /** What is wrong, in a few words each. */
  troubles(): string[];
  targetTrouble(): string | null;
  /** Events since it was opened. */
  events(): number;
  /**
   * Accepts nothing new, lets running work finish or leaves it to its lease, closes the store. `isLost`: the store is lost, so
   * nothing can be settled, and no work is waited for.
   */
  close(how?: { isLost: boolean }): Promise<void>;
};

export type PipelineOptions = {
  ports: Omit<Ports, "clock"> & { clock: SteadyClock };
  /** False: it receives and stores, but downloads and delivers nothing. */
  workers: boolean;
  /** The store works on threads of its own. */
  threads: boolean;
  /** How to start this program again. */
  self: Command;
  /** The database is checked once a day in a process of its own. */
  checks: boolean;
  /** How apps reach the public listener; valid once it listens. */
  publicUrl(): string;
  adminTroubles(): string[];
  /** The store lost a file. It has to be closed and opened again; until then it refuses events. */
  onLost(): void;
};

type OpenPipeline = (config: Config, options: PipelineOptions) => Promise<Pipeline>;

/**
 * Keeps the listener open while the store behind it fails and comes back. With a store it serves the pipeline. Without one it
 * is on standby: it answers 503, and tries to open the pipeline until that works.
 */
export async function supervise(
  given: Config,
  { clock: machine, ...others }: Ports,
  options: RelayOptions & { openPipeline: OpenPipeline; adminPages: App },
): Promise<Relay> {
  const { log } = others;
  const clock = steadyClock(machine, log);
  const ports = { ...others, clock };
  const { workers = true, threads = false, self = selfCommand() } = options;
  let config = given;
  let pipeline: Pipeline | null = null;
  let standby: Standby | null = null;
  let trouble = "";
  let listener: Listener | null = null;
  let closing = false;
  let cancelOpening = () => {};
  let failures = 0;

  const troubles = () => (pipeline?.troubles() ?? [`events cannot be committed: ${trouble}`]).concat(admin.troubles());
  const doctor = createDoctor({ config: () => config, self, clock });
  const targetTrouble = () => pipeline?.targetTrouble() ?? null;
  const facts = { version: pkg.version, startedAt: clock.now(), troubles, targetTrouble, doctor };
  const admin = createAdmin(config, { facts, ports, pages: options.adminPages });
  const turns = createTurns();
  /** Reloads and reopenings run one after the other. */
  const inTurn = <T>(work: () => Promise<T>) =>
    turns("", async () => {
      if (closing) throw new RelayError("conflict", "the relay is stopping");
      return work();
    });

  const origin = (host: string) => originOf(config.server, host, listener?.port ?? 0);
  const publicUrl = () => config.server.publicUrl ?? origin(environment().hostname);
  const open = () =>
    options.openPipeline(config, {
      ...{ ports, workers, threads, self },
      checks: options.self !== undefined,
      publicUrl,
      adminTroubles: () => admin.troubles(),
      onLost: () => void inTurn(openAnew).catch(() => {}),
    });

  function failed(line: string): void {
    if (line !== trouble) log.error("the store cannot be used: events are refused until it can", { error: line });
    trouble = line;
  }

  const serve = ({ app, gate }: Door) => listener?.serve(app, gate);

  /** Opens the pipeline and starts it; where that fails, tries again later. */
  async function tryToOpen(): Promise<void> {
    // The standby reads from the database meanwhile.
    if (standby !== null && whyUnwritable(config.dataDir) === "EROFS") return openLater();
    // Connections of a process share the index of SQLite's log: one that opened it read-only keeps the others from writing.
    await standby?.close();
    let opened: Pipeline | null = null;
    try {
      opened = await open();
      await opened.start();
    } catch (error) {
      await opened?.close();
      await standBy(sicknessOf(error, config.dataDir) ?? errorLine(error));
      openLater();
      return;
    }
    pipeline = opened;
    serve(pipeline.door());
    await admin.serve(pipeline.place);
    standby = null;
    trouble = "";
    failures = 0;
    log.info("the store can be used: events are taken", { freed: pipeline.freed });
  }

  function openLater(): void {
    const wait = doublingWait(++failures, OPEN_AGAIN);
    cancelOpening = clock.after(wait, () => void inTurn(tryToOpen).catch(() => {}));
  }

  /** The store lost a file: the pipeline is closed, and opened again with a new store. */
  async function openAnew(): Promise<void> {
    if (pipeline === null) return;
    const lost = pipeline;
    pipeline = null;
    trouble = "the store is being opened again";
    standby = await openStandby(config, ports, { trouble: () => trouble, readsStore: false });
    serve(standby.door);
    await admin.serve(standby.place);
    await lost.close({ isLost: true });
    await tryToOpen();
  }

  async function standBy(sickness: string): Promise<void> {
    failed(sickness);
    // A reader would wait for the lock as well.
    standby = await openStandby(config, ports, { trouble: () => trouble, readsStore: !isHeld(sickness) });
    serve(standby.door);
    if (listener !== null) await admin.serve(standby.place);
  }

  /** Starts the pipeline; on a disk that fails only now, later. */
  async function begin(): Promise<void> {
    try {
      await pipeline?.start();
    } catch (error) {
      const sickness = sicknessOf(error, config.dataDir);
      if (sickness === null) throw error;
      await pipeline?.close();
      pipeline = null;
      await standBy(sickness);
    }
    if (pipeline === null) openLater();
  }

  async function close(): Promise<void> {
    closing = true;
    cancelOpening();
    await Promise.all([turns("", async () => {}), listener?.close(ANSWER_GRACE), admin.close(ANSWER_GRACE)]);
    await doctor.stop();
    await pipeline?.close();
    await standby?.close();
  }

  try {
    try {
      pipeline = await open();
    } catch (error) {
      const sickness = sicknessOf(error, config.dataDir);
      if (sickness === null) throw error;
      await standBy(sickness);
    }
    const { tls } = config.server;
    const socket = options.socket === undefined ? parseListen(config.server.listen)! : { fd: options.socket };
    const { app, gate } = pipeline?.door() ?? standby!.door;
    listener = await listen(app, { ...socket, tls }, clock, { gate, log });
    const { host, port, renewTls } = listener;
    await begin();

    async function reload(next: Config) {
      const { config: wanted, ...taken } = compareConfigs(config, next);
      // What can fail comes first: then all of the old config holds.
      const pair = wanted.server.tls && readTls(wanted.server.tls);
      const adminTaken = await admin.prepare(wanted);
      const onTaken = (door: Door) => {
        adminTaken.take(wanted, taken);
        // Other bytes in the same certificate files are a change too.
        if (pair && renewTls(pair) && !taken.changed.includes("server")) taken.changed.push("server.tls");
        config = wanted;
        serve(door);
      };
      try {
        if (pipeline !== null) {
          const { reload, door } = pipeline;
          await reload(wanted, () => onTaken(door()));
        } else {
          const former = standby;
          standby = await openStandby(wanted, ports, { trouble: () => trouble });
          onTaken(standby.door);
          await admin.serve(standby.place);
          await former?.close();
        }
      } catch (error) {
        await adminTaken.drop();
        throw error;
      }
      if (pipeline !== null) noteReload(pipeline.place.store, taken.changed, log);
      return taken;
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
      ...(pipeline && { freed: pipeline.freed }),
    });
    // Last, so that what it loads delays no event.
    await admin.serve((pipeline ?? standby!).place);
    return {
      ...{ url, port, close, loginLink: admin.loginLink },
      reload: (next) => inTurn(() => reload(next)),
      describe() {
        const [wrong, apps] = [troubles(), config.endpoints.length];
        const doing = `Receiving on ${origin(host)}, ${apps} endpoint${apps === 1 ? "" : "s"}, ${pipeline?.events() ?? 0} events since the start`;
        return wrong.length === 0 ? doing : `${doing}; TROUBLE: ${wrong.join("; ")}`;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
