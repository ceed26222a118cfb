import { setImmediate } from "node:timers";
import type { Worker } from "node:worker_threads";
import { RelayError } from "../../errors.ts";
import { startThread } from "../../platform/thread.ts";
import type { Ports } from "../../ports.ts";
import {
  type Answer,
  type Call,
  type Carrying,
  type FromThread,
  ownBytes,
  type State,
  type ThreadData,
  type ToThread,
  unpackError,
} from "./messages.ts";

/** An engine on a thread of its own. */
export type Remote = {
  /** Resolves with what the verb does there. The calls of one turn of the event loop share one message. */
  call(verb: string, args: unknown[]): Promise<unknown>;
  /** The same for a verb that carries a body, which must stay as it is until the promise settles. */
  carry(verb: string, plain: object, body: Uint8Array): Promise<unknown>;
  /** As of its last message. */
  state: State;
  wasUnclean: boolean;
  /** For how long, in milliseconds, calls have waited without an answer to any of them; 0: none waits. */
  waitsFor(): number;
  /** Closes the engine, which answers what waits first, and ends the thread. */
  end(): Promise<void>;
};

type Waiting = { resolve(value: unknown): void; reject(error: unknown): void };

/** A thread that loads its program, and waits for what to open. */
let warm: Worker | null = null;

/** Starts a thread ahead of time: its program is loaded while this one's is. The next remote takes it. */
export function warmUp(): void {
  warm ??= start("store");
  warm.unref();
}

/** Ends a thread that was started ahead of time, and that no store takes. */
export async function coolDown(): Promise<void> {
  const unused = warm;
  warm = null;
  await unused?.terminate();
}

/** `name`: by which the system shows it. */
const start = (name: string) => startThread("store", () => new URL("./server.ts", import.meta.url), name);

/**
 * Starts the thread and opens the engine in it; rejects as the engine does. A thread that dies later throws in this one: no
 * relay goes on without its store.
 */
export async function openRemote(
  opening: Omit<ThreadData, "now">,
  { clock, log }: Pick<Ports, "clock" | "log">,
  onLost?: () => void,
): Promise<Remote> {
  const data: ThreadData = { ...opening, now: clock.now() };
  const isWriter = opening.role === "relay";
  const thread = (isWriter ? warm : null) ?? start(isWriter ? "store" : "store-reader");
  if (isWriter) warm = null;
  thread.ref();
  thread.postMessage(data);
  const waiting = new Map<number, Waiting>();
  const state: State = { trouble: null, damage: null };
  const { promise: opened, resolve, reject } = Promise.withResolvers<{ wasUnclean: boolean }>();
  let isOpen = false;
  let isEnding = false;
  let ids = 0;
  let calls: Call[] = [];
  let carrying: Carrying[] = [];
  let bodies: Uint8Array[] = [];
  /** Of the bodies so far, in bytes. */
  let end = 0;
  let heardAt = clock.elapsed();

  function refuseAll(why: Error): void {
    for (const { reject } of waiting.values()) reject(why);
    waiting.clear();
  }

  function died(error: Error): void {
    if (isEnding) return;
    isEnding = true;
    const why = new RelayError("store_unavailable", `the store's thread ended: ${error.message}`);
    refuseAll(why);
    if (!isOpen) return reject(why);
    setImmediate(() => {
      throw why;
    });
  }

  thread.on("error", died);
  thread.on("exit", (code) => died(new Error(`exit code ${code}`)));
  thread.on("message", (message: FromThread) => {
    state.trouble = message.trouble;
    state.damage = message.damage;
    switch (message.is) {
      case "answers":
        heardAt = clock.elapsed();
        settle(message.answers);
        if (message.plain !== "") settle(JSON.parse(message.plain));
        break;
      case "logged":
        log[message.level](message.fact, message.fields);
        break;
      case "lost":
        onLost?.();
        break;
      case "opened":
        isOpen = true;
        resolve(message);
        break;
      case "failed":
        isEnding = true;
        reject(unpackError(message.failure));
        void thread.terminate();
    }
  });

  function settle(answers: Answer[]): void {
    for (const answer of answers) {
      const call = waiting.get(answer.id);
      waiting.delete(answer.id);
      if ("failure" in answer) call?.reject(unpackError(answer.failure));
      else call?.resolve(answer.value);
    }
  }

  function send(): void {
    const bytes = new Uint8Array(end);
    for (const [index, body] of bodies.entries()) bytes.set(body, carrying[index]!.from);
    const json = carrying.length === 0 ? "" : JSON.stringify(carrying);
    const message: ToThread = { now: clock.now(), calls, carrying: json, bytes: bytes.buffer };
    calls = [];
    carrying = [];
    bodies = [];
    end = 0;
    thread.postMessage(message, [message.bytes]);
  }

  function post(add: (id: number) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (isEnding) return reject(new RelayError("store_unavailable", "the store is closed"));
      if (waiting.size === 0) heardAt = clock.elapsed();
      const id = ++ids;
      waiting.set(id, { resolve, reject });
      if (calls.length + carrying.length === 0) setImmediate(send);
      add(id);
    });
  }

  const call = (verb: string, args: unknown[]) => post((id) => void calls.push({ id, verb, args: args.map(ownBytes) }));

  function carry(verb: string, plain: object, body: Uint8Array): Promise<unknown> {
    return post((id) => {
      const from = end;
      end += body.length;
      bodies.push(body);
      carrying.push({ id, verb, plain, from, to: end });
    });
  }

  const { wasUnclean } = await opened;
  return {
    call,
    carry,
    state,
    wasUnclean,
    waitsFor: () => (waiting.size === 0 ? 0 : clock.elapsed() - heardAt),
    async end() {
      try {
        await call("close", []);
      } finally {
        isEnding = true;
        await thread.terminate();
        // Calls that came after "close" may have had no answer.
        refuseAll(new RelayError("store_unavailable", "the store is closed"));
      }
    },
  };
}
