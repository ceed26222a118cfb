import { errorLine, RelayError } from "../../errors.ts";
import { every } from "../../platform/timing.ts";
import type { Ports } from "../../ports.ts";
import type { Backups } from "../backups.ts";
import { type Opening, reconfigured } from "../settings.ts";
import type { Store, StoreOptions, StoreVerbs } from "../store.ts";
import { backupVerbs, storeVerbs, type VerbLine, type WithBody } from "../verbs.ts";
import type { State } from "./messages.ts";
import { openRemote, type Remote } from "./remote.ts";

/** Bodies on their way to the thread, in bytes: more are refused. One that is larger is taken alone. */
const MOST_BYTES = 64 * 2 ** 20;

/** A writer that has answered nothing for so long waits for its disk: reads go past it. Milliseconds. */
const SLOW_COMMIT = 50;

/** A disk that takes longer for a commit is trouble, in milliseconds; until then it is slow. */
const SLOWEST_COMMIT = 5_000;

/** A database that takes longer to open is reported, in milliseconds. */
const SLOWEST_OPEN = 5_000;

/** How often the writer is looked at, and after how long without a write it gets one as a probe; milliseconds. */
const LOOK_EVERY = 1_000;
const PROBE_AFTER = 15_000;

/**
 * After this number of writes, about a thousand pages, the thread that reads moves them from the log into the database: 20 ms
 * that no commit waits for. From beside, a log that is written to without a pause is never moved whole: the writer finishes
 * one of CHECKPOINT_AT pages, or it would grow.
 */
const WRITES_PER_CHECKPOINT = 250;
const CHECKPOINT_AT = 8_000;

/**
 * The store on threads of its own, so that the relay's event loop waits for no disk. One has the database and is the only
 * writer. Another reads beside it: long lists, and whatever would wait for a slow commit. It starts when it is first needed,
 * and sees all that was answered before; what it is asked until it has started the writer answers.
 */
export async function openThreadStore(opening: Opening, ports: Ports, options: StoreOptions): Promise<Store> {
  const { clock, log } = ports;
  const cancel = clock.after(SLOWEST_OPEN, () =>
    log.warn("the database is not open yet: the disk does not answer, or has much to do", { dataDir: opening.dataDir }),
  );
  const data = { ...opening, role: "relay", checkpointAt: CHECKPOINT_AT } as const;
  const writer = await openRemote(data, ports, options.onLost).finally(cancel);
  let { settings } = opening;
  let reader: Promise<Remote> | null = null;
  let isReading = false;
  let readerState: State = { trouble: null, damage: null };
  let bytes = 0;
  let writes = 0;
  let wroteAt = clock.elapsed();
  let hangs = false;
  let closing: Promise<void> | null = null;

  const refuse = () => Promise.reject(new RelayError("store_unavailable", "the store is closed"));

  function openReader(): Promise<Remote> {
    if (reader !== null) return reader;
    reader = openRemote({ ...opening, settings, role: "operator", isBeside: true }, ports);
    reader.then(
      (opened) => {
        isReading = true;
        readerState = opened.state;
      },
      () => {
        reader = null;
      },
    );
    return reader;
  }

  /** `waits`: until the thread that reads has started, since commits would wait for the writer. */
  function beside(verb: string, args: unknown[], { waits }: { waits: boolean }): Promise<unknown> {
    // A thread that starts now would never be ended.
    if (closing !== null) return refuse();
    const opened = openReader();
    if (!isReading && !waits && writer.waitsFor() < SLOW_COMMIT) return writer.call(verb, args);
    return opened.then(
      (reads) => reads.call(verb, args),
      () => writer.call(verb, args),
    );
  }

  async function write(work: () => Promise<unknown>): Promise<unknown> {
    wroteAt = clock.elapsed();
    try {
      return await work();
    } finally {
      if (++writes >= WRITES_PER_CHECKPOINT) {
        writes = 0;
        // Best effort: what fails here fails the commits, too.
        void beside("checkpoint", [], { waits: true }).catch(() => {});
      }
    }
  }

  async function carry(verb: string, { body, ...plain }: WithBody): Promise<unknown> {
    const size = body.length;
    if (bytes > 0 && bytes + size > MOST_BYTES) {
      throw new RelayError("store_unavailable", `too much waits to be committed: ${trouble() ?? "the store is busy"}`);
    }
    bytes += size;
    try {
      return await write(() => writer.carry(verb, plain, body));
    } finally {
      bytes -= size;
    }
  }

  /** The calls of a port, by its table. */
  function verbs<Port>(table: Record<keyof Port, VerbLine>, prefix = ""): Port {
    const make = (verb: string, line: VerbLine) => {
      const call = (...args: unknown[]) => writer.call(verb, args);
      if (line.does === "write") {
        return line.carriesBody
          ? (what: WithBody) => carry(verb, what)
          : (...args: unknown[]) => write(() => call(...args));
      }
      if (line.beside) return (...args: unknown[]) => beside(verb, args, { waits: line.does === "own" });
      if (line.does === "own") return call;
      return (...args: unknown[]) =>
        writer.waitsFor() < SLOW_COMMIT ? call(...args) : beside(verb, args, { waits: true });
    };
    const names = Object.keys(table) as (keyof Port & string)[];
    const open = (name: keyof Port & string) => {
      const made = make(prefix + name, table[name]) as (...args: unknown[]) => Promise<unknown>;
      return (...args: unknown[]) => (closing === null ? made(...args) : refuse());
    };
    return Object.fromEntries(names.map((name) => [name, open(name)])) as Port;
  }

  function trouble(): string | null {
    const waits = writer.waitsFor();
    if (waits < SLOWEST_COMMIT) return writer.state.trouble;
    return writer.state.trouble ?? `the disk has not answered for ${Math.round(waits / 1000)} s`;
  }

  /** A thread that waits for its disk cannot say so itself. Without events, only a probe finds that the disk does not answer. */
  function look(): void {
    if (clock.elapsed() - wroteAt >= PROBE_AFTER) write(() => writer.call("probe", [])).catch(() => {});
    const hung = hangs;
    hangs = writer.waitsFor() >= SLOWEST_COMMIT;
    if (hangs && !hung) log.error("store in trouble", { error: trouble() });
    else if (hung && !hangs && writer.state.trouble === null) log.info("store recovered");
  }
  const endLooks = every(LOOK_EVERY, clock, look);

  /** What is not awaited. */
  function control(verb: string, args: unknown[], thread: Pick<Remote, "call"> = writer): void {
    thread.call(verb, args).catch((error) => log.error("the store's thread failed", { verb, error: errorLine(error) }));
  }

  async function close(): Promise<void> {
    endLooks();
    try {
      const reads = await reader?.catch(() => null);
      await reads?.end();
    } finally {
      // It holds the folder's lock.
      await writer.end();
    }
  }

  return {
    ...verbs<StoreVerbs>(storeVerbs),
    shared: null,
    backups: verbs<Backups>(backupVerbs, "backups."),
    configure(changed) {
      settings = reconfigured(settings, changed);
      control("configure", [changed]);
      // Lists and tasks look there what the endpoints want.
      void reader?.then((opened) => control("configure", [changed], opened)).catch(() => {});
    },
    trouble,
    damage: () => writer.state.damage ?? readerState.damage,
    disproveDamage() {
      writer.state.damage = null;
      readerState.damage = null;
      control("disproveDamage", []);
      void reader?.then((opened) => control("disproveDamage", [], opened)).catch(() => {});
    },
    wasUnclean: () => writer.wasUnclean,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
