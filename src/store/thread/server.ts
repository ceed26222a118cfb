import { nextTick } from "node:process";
import { parentPort } from "node:worker_threads";
import { flushCompileCache } from "../../platform/compile-cache.ts";
import { lowerThreadPriority } from "../../platform/processes/process-priority.ts";
import { systemClock, systemRandom } from "../../platform/runtime.ts";
import type { Clock, Log } from "../../ports.ts";
import { openSqliteStore } from "../sqlite/open.ts";
import type { Accepted, Store } from "../store.ts";
import type { WithBody } from "../verbs.ts";
import {
  type Answer,
  type Call,
  type Carrying,
  type FromThread,
  packError,
  type ThreadData,
  type ToThread,
} from "./messages.ts";

// The program of a store's thread: it opens the engine, runs the verbs that are called, and answers all that one commit has
// settled in one message.

type Told = FromThread extends infer Each ? (Each extends unknown ? Omit<Each, "trouble" | "damage"> : never) : never;

const port = parentPort!;

let store: Store | null = null;
let now = 0;
let answers: Answer[] = [];
/** The same to calls that carried a body: they come by the dozen. */
let plain: Answer[] = [];

/** The time is the caller's, whose clock leaves out the machine's errors: each message brings it. */
const clock: Clock = { ...systemClock(), now: () => now };

const log = Object.fromEntries(
  (["debug", "info", "warn", "error"] as const).map((level) => [
    level,
    (fact: string, fields?: Record<string, unknown>) => tell({ is: "logged", level, fact, fields }),
  ]),
) as Log;

function tell(told: Told): void {
  port.postMessage({ ...told, trouble: store?.trouble() ?? null, damage: store?.damage() ?? null });
}

function answer(one: Answer, isOne: boolean): void {
  // What one commit has settled goes on in one run of the microtasks.
  if (answers.length + plain.length === 0) nextTick(post);
  (isOne ? plain : answers).push(one);
}

function post(): void {
  const said = { answers, plain: plain.length === 0 ? "" : JSON.stringify(plain) };
  answers = [];
  plain = [];
  tell({ is: "answers", ...said });
}

function verbOf(store: Store, name: string): (...args: unknown[]) => unknown {
  const [noun, verb] = name.split(".") as [keyof Store, keyof Store["backups"] | undefined];
  return (verb === undefined ? store[noun] : noun === "backups" && store.backups[verb]) as never;
}

async function run(opened: Store, { id, verb, args }: Call, isCarrying = false): Promise<void> {
  try {
    const value = await verbOf(opened, verb)(...args);
    // Deliveries may have bytes.
    answer({ id, value }, isCarrying && !((value as Partial<Accepted>).leased?.length ?? 0));
  } catch (error) {
    answer({ id, failure: packError(error) }, false);
  }
}

/** The calls of a message, in the order in which they were made. */
function runAll(opened: Store, { calls, carrying, bytes }: ToThread): void {
  const carried = carrying === "" ? [] : (JSON.parse(carrying) as Carrying[]);
  let at = 0;
  for (const { id, verb, plain, from, to } of carried) {
    while (at < calls.length && calls[at]!.id < id) void run(opened, calls[at++]!);
    const what: WithBody = Object.assign(plain, { body: new Uint8Array(bytes, from, to - from) });
    void run(opened, { id, verb, args: [what] }, true);
  }
  for (const call of calls.slice(at)) void run(opened, call);
}

async function open({ role, now: openedAt, ...opening }: ThreadData): Promise<void> {
  now = openedAt;
  // Events that come in go before what reads beside the writer.
  if (role === "operator") lowerThreadPriority();
  try {
    const ports = { clock, random: systemRandom(), log };
    const opened = await openSqliteStore(opening, ports, { role, onLost: () => tell({ is: "lost" }) });
    store = opened;
    port.on("message", (message: ToThread) => {
      now = message.now;
      runAll(opened, message);
    });
    tell({ is: "opened", wasUnclean: opened.wasUnclean() });
    flushCompileCache();
  } catch (error) {
    tell({ is: "failed", failure: packError(error) });
  }
}

port.once("message", open);
