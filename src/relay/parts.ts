import { isDeepStrictEqual } from "node:util";
import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import type { Log } from "../ports.ts";

/** One part of a running relay that a new config replaces as a whole. */
export type Part<Parts, Name extends keyof Parts> = {
  /** The options that it is made of: it is replaced when they change. */
  options(config: Config): unknown;
  /** Parts before it that it is made with: it is replaced when one of them is. */
  with?: Exclude<keyof Parts, Name>[];
  /** Makes it; nothing works yet. What can fail, fails here. */
  open(config: Config, parts: Parts): Promise<Parts[Name]> | Parts[Name];
  /** Its successor is opened only after it has stopped; otherwise it stops once all new parts are open. */
  isExclusive?: boolean;
  start?(part: Parts[Name]): void;
  /** Ends its work within `grace` milliseconds; it can be started again. */
  stop?(part: Parts[Name], grace: number): Promise<void>;
  /** Gives up what it holds; it has stopped. */
  close?(part: Parts[Name]): Promise<void>;
};

/** The parts in the order in which they are opened; they are stopped and closed in reverse. */
export type PartTable<Parts> = { [Name in keyof Parts]: Part<Parts, Name> };

export type OpenParts<Parts> = {
  /** The parts that hold now. */
  now: Parts;
  start(): void;
  stop(grace: number): Promise<void>;
  close(): Promise<void>;
  /**
   * Replaces what depends on options that differ. `onOpened` is called when nothing can fail any longer, before the new
   * parts start. Throws where one of them cannot be opened; then all former parts work on.
   */
  replace(next: Config, grace: number, onOpened: () => void): Promise<void>;
};

/** Opens all parts of a config. What was opened is closed again when a later one fails. */
export async function openParts<Parts extends object>(
  table: PartTable<Parts>,
  config: Config,
  log: Pick<Log, "error">,
): Promise<OpenParts<Parts>> {
  type Name = keyof Parts;
  const names = Object.keys(table) as Name[];
  const now = {} as Parts;
  let holds = config;
  let isStarted = false;

  const start = (name: Name) => table[name].start?.(now[name]);

  async function each(some: Name[], from: Parts, step: "stop" | "close", grace = 0): Promise<void> {
    for (const name of [...some].reverse()) {
      await table[name][step]?.(from[name], grace).catch((error) => {
        log.error("a part did not end", { part: String(name), error: errorLine(error) });
      });
    }
  }

  /** Opens `some` into `into`, all or none. */
  async function open(some: Name[], config: Config, into: Parts): Promise<void> {
    const opened: Name[] = [];
    try {
      for (const name of some) {
        into[name] = await table[name].open(config, into);
        opened.push(name);
      }
    } catch (error) {
      await each(opened, into, "close");
      throw error;
    }
  }

  function replacedBy(next: Config): Name[] {
    const replaced = new Set<Name>();
    for (const name of names) {
      const { options, with: made = [] } = table[name];
      if (made.some((other) => replaced.has(other)) || !isDeepStrictEqual(options(holds), options(next))) {
        replaced.add(name);
      }
    }
    return [...replaced];
  }

  await open(names, config, now);
  return {
    now,
    start() {
      isStarted = true;
      for (const name of names) start(name);
    },
    async stop(grace) {
      await Promise.all(names.map((name) => table[name].stop?.(now[name], grace)));
    },
    close: () => each(names, now, "close"),

    async replace(next, grace, onOpened) {
      const replaced = replacedBy(next);
      const former = { ...now };
      const wanted = { ...now };
      const exclusive = replaced.filter((name) => table[name].isExclusive);
      const others = replaced.filter((name) => !table[name].isExclusive);
      if (isStarted) await each(exclusive, former, "stop", grace);
      try {
        await open(replaced, next, wanted);
      } catch (error) {
        if (isStarted) for (const name of exclusive) start(name);
        throw error;
      }
      if (isStarted) await each(others, former, "stop", grace);
      Object.assign(now, wanted);
      holds = next;
      try {
        onOpened();
      } finally {
        if (isStarted) for (const name of replaced) start(name);
        await each(replaced, former, "close");
      }
    },
  };
}
