import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { bareEnvironment } from "../../support/environment.ts";
import { filesOf, type OpenBody, StillBorn } from "./bodies.ts";
import { Killed, type Life, type LifeOptions, openLife } from "./life.ts";

const SELF = fileURLToPath(import.meta.url);

/** A call of a verb, and its answer: a line of JSON each. The first call, of `open`, has the options of the life. */
type Call = { id: number; verb: string; given: unknown[] };
type Answer = { id: number; value?: unknown; error?: string };

/** A life in a process of its own, whose death is a SIGKILL. */
export const openAsProcess: OpenBody = async (folder, options) => {
  const runtime = process.versions.deno === undefined ? [] : ["run", "-A"];
  const child = spawn(process.execPath, [...runtime, SELF], {
    env: bareEnvironment(),
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.on("error", () => {}); // It may die before it has read what it is sent.
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let isDead = false;
  let isClosed = false;
  let calls = 0;

  function end(): void {
    isDead = !isClosed;
    for (const { reject } of waiting.values()) reject(new Killed("its process is dead"));
    waiting.clear();
  }
  const ended = new Promise<void>((resolve) => {
    child.on("close", () => {
      end();
      resolve();
    });
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, value, error } = JSON.parse(line) as Answer;
    const one = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) one?.resolve(value);
    else one?.reject(new Error(error));
  });

  function call(verb: string, ...given: unknown[]): Promise<unknown> {
    if (isDead) return Promise.reject(new Killed(verb));
    const id = ++calls;
    const call: Call = { id, verb, given };
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      child.stdin.write(`${JSON.stringify(call)}\n`);
    });
  }

  const bury = () => ended;
  const life = new Proxy({} as Life, {
    // A life is handed on by promises, and is none.
    get: (_, verb) => (verb === "then" ? undefined : (...given: unknown[]) => call(String(verb), ...given)),
  });
  const close = async () => {
    await call("close");
    isClosed = true;
    child.stdin.end();
    await ended;
  };
  const targets = `${folder}/current/targets`;
  const own: Omit<LifeOptions, "die"> = { ...options, folder: filesOf(folder), targets };
  try {
    await call("open", own);
  } catch (error) {
    if (error instanceof Killed) throw new StillBorn({ bury });
    throw error;
  }
  return {
    life: new Proxy(life, { get: (verbs, verb) => (verb === "close" ? close : Reflect.get(verbs, verb)) }),
    isDead: () => isDead,
    kill() {
      child.kill("SIGKILL");
      end();
    },
    bury,
  };
};

/** What the process does: it opens its life, and does what it is called for, until it is called for no more. */
function serve(): void {
  const die = () => void process.kill(process.pid, "SIGKILL");
  const say = (answer: Answer) => void process.stdout.write(`${JSON.stringify(answer)}\n`);
  let life: Life | null = null;

  async function answer({ verb, given }: Call): Promise<unknown> {
    if (life === null) {
      life = await openLife({ ...(given[0] as Omit<LifeOptions, "die">), die });
      return null;
    }
    return (life[verb as keyof Life] as (...given: unknown[]) => Promise<unknown>)(...given);
  }

  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const call = JSON.parse(line) as Call;
      answer(call).then(
        (value) => say({ id: call.id, value }),
        (error) => say({ id: call.id, error: String(error) }),
      );
    })
    .on("close", () => process.exit(0));
}

if (process.argv[1] === SELF) serve();
