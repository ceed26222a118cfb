import type { EndpointJson } from "../actions/endpoints.ts";
import { formatSpan } from "../actions/format.ts";
import { awaitAttempts, describeAttempts, PATIENCE } from "../actions/outcome/await-attempts.ts";
import type { Config } from "../config/schema.ts";
import { sleep } from "../platform/timing.ts";
import type { Store } from "../store/store.ts";
import type { Args, Options } from "./args.ts";
import { isAnyRunning } from "./look/relay-process.ts";
import { printJson } from "./output/print.ts";
import { createProgress } from "./output/progress.ts";
import { harmless } from "./output/terminal-text.ts";
import { abortWhenStopped, type Program } from "./program.ts";

/** Of verbs that send again. */
export const waitOption = {
  wait: {
    type: "boolean",
    help: `wait until each was attempted (at most ${formatSpan(PATIENCE)}), and say how it went; exit code 1 unless all were delivered`,
  },
} satisfies Options;

/** Waits until these deliveries were attempted, and prints what came of it. Resolves with the exit code. */
export async function waitForAttempts(program: Program, args: Args, store: Store, ids: string[]): Promise<number> {
  const progress = createProgress(program, args.flag("json"));
  progress.wait("waiting for the attempts");
  const attempted = await awaitAttempts(store, ids, { clock: program.ports.clock, signal: abortWhenStopped(program) });
  progress.clear();
  if (args.flag("json")) for (const one of attempted) printJson(program.stdout, one);
  else for (const line of describeAttempts(attempted)) program.stdout.write(`${harmless(line)}\n`);
  return attempted.every(({ is }) => is === "delivered") ? 0 : 1;
}

/** Whether a relay works on the store. False, with a line on stderr, where what was queued stays as it is. */
export async function sayIfStopped(
  program: Program,
  { store, config }: { store: Pick<Store, "shared" | "relays">; config: Pick<Config, "dataDir"> },
): Promise<boolean> {
  if (await isAnyRunning(program, config.dataDir, store)) return true;
  const where = store.shared === null ? config.dataDir : "the database of store.url";
  program.stderr.write(`wochit-relay: no relay runs with ${where}: what is queued goes on when one is started\n`);
  return false;
}

/** How long an answer of an endpoint that was asked is waited for, in milliseconds, and how often it is looked for. */
const ANSWERS = 10_000;
const LOOK = 200;

/** What an endpoint answered that is failing and was asked anew (`endpoints resume`): its state then; null: nothing so far. */
export async function waitForProbe(
  program: Program,
  asked: EndpointJson,
  read: () => Promise<EndpointJson>,
): Promise<EndpointJson | null> {
  const { clock } = program.ports;
  const signal = abortWhenStopped(program);
  for (const until = clock.elapsed() + ANSWERS; clock.elapsed() < until && !signal.aborted; ) {
    const now = await read();
    if (now.state !== "failing" || now.nextProbeAt !== asked.nextProbeAt) return now;
    await sleep(LOOK, clock, signal);
  }
  return null;
}
