import { checkFilters } from "../actions/filters/check.ts";
import { formatCount, shortTime } from "../actions/format.ts";
import { isoTime } from "../actions/json.ts";
import type { Filters, FilterValues, Sources } from "../actions/list.ts";
import { countMatching, DONE, matchingJson, startTask, type TaskJson, taskJson } from "../actions/tasks.ts";
import { errorLine, RelayError } from "../errors.ts";
import { workTask } from "../jobs/tasks.ts";
import { LEASE } from "../model/job.ts";
import type { Matching, TaskFilter, TaskJob, TaskVerb, TaskWish } from "../model/task.ts";
import { sleep } from "../platform/timing.ts";
import { decodeKept } from "../receive/accept.ts";
import type { Store } from "../store/store.ts";
import type { Args, Options } from "./args.ts";
import type { Command } from "./command.ts";
import {
  commonOptions,
  filterOptions,
  manyOptions,
  otherRange,
  rangeOptionsOf,
  readFilters,
  readRange,
} from "./options.ts";
import { hint, print, printJson } from "./output/print.ts";
import { createProgress } from "./output/progress.ts";
import { harmless } from "./output/terminal-text.ts";
import { inZone } from "./output/times.ts";
import { abortWhenStopped, askFirst, type Program } from "./program.ts";
import { openSources } from "./sources.ts";
import { sayIfStopped, waitForAttempts } from "./wait.ts";

// Verbs that are done to one, or as a task to all that their filters match (CONTRACT, "Many at once").

/** How often a task is asked for how far it is, and how long a relay is waited for that works it; milliseconds. */
const POLL = 200;
const MOMENT = 2_000;

/** Of verbs that are paced. */
export const rateOption = {
  rate: { type: "string", value: "N", help: "at most this many a second (default: no limit)" },
} satisfies Options;

type ManyVerb<Of extends Filters> = Pick<Command, "name" | "summary" | "help" | "examples"> & {
  verb: TaskVerb;
  filters: Of;
  /** What one is called. */
  noun: "delivery" | "refused body";
  options?: Options;
  /** Does it to one. `rows` are printed with `--json`, an object a line, else `text`. `sent`: the deliveries that `--wait` waits for. */
  toOne(from: Sources, id: string, args: Args, now: number): Promise<{ rows: object[]; text: string; sent?: string[] }>;
  /** The deliveries that `--wait` waits for: those that a wish will take. For verbs with that option. */
  awaited?(store: Store, filter: TaskFilter): Promise<string[]>;
  /** What the options narrow it down to, and how it is done; `filter` are those of the list, with the times. */
  wish(filter: FilterValues<Of> & { since?: number; until?: number }, args: Args): Omit<TaskWish, "verb">;
  /** Options that one takes, too. */
  alsoOfOne?: string[];
};

export function manyCommand<Of extends Filters>(verb: ManyVerb<Of>): Command {
  const { name, summary, help, examples, filters, options = {} } = verb;
  const narrowing = { ...filterOptions(filters), ...rangeOptionsOf(filters), ...manyOptions, ...options };
  return {
    ...{ name, summary, help, examples, positionals: "[ID]" },
    options: { ...narrowing, ...commonOptions },
    async run(program, args) {
      const [id] = args.positionals;
      if (id === undefined) return doToMany(program, args, verb);
      const given = Object.keys(narrowing).filter((name) => args.texts(name).length > 0);
      if (given.some((name) => !verb.alsoOfOne?.includes(name))) {
        throw new RelayError("usage", `name one, or what all of them have in common, not both`);
      }
      const sources = await openSources(program);
      const { rows, text, sent } = await verb.toOne(sources, id, args, program.ports.clock.now());
      const runs = verb.verb === "cancel" || (await sayIfStopped(program, sources));
      const waits = "wait" in options && args.flag("wait");
      if (waits && runs) return waitForAttempts(program, args, sources.store, sent!);
      if (args.flag("json")) for (const row of rows) printJson(program.stdout, row);
      else program.stdout.write(`${text}\n`);
      return waits ? 1 : 0;
    },
  };
}

async function doToMany<Of extends Filters>(program: Program, args: Args, verb: ManyVerb<Of>): Promise<number> {
  const { clock } = program.ports;
  const filter = { ...readFilters(args, verb.filters, program), ...readRange(args, program) };
  const wish: TaskWish = { verb: verb.verb, ...verb.wish(filter, args) };
  const rate = (verb.options !== undefined && "rate" in verb.options ? args.rate("rate") : undefined) ?? null;
  const waits = verb.options !== undefined && "wait" in verb.options && args.flag("wait");
  if (waits && verb.awaited === undefined) throw new RelayError("usage", "--wait is for one, not for many");
  const sources = await openSources(program);
  const { store } = sources;
  const { endpoint, types, q } = wish.filter;
  // A replay goes to endpoints of the config only: the store says so.
  await checkFilters(sources, { endpoint: wish.verb === "replay" ? undefined : endpoint, type: types?.join(), q });
  const matching = await countMatching(store, wish);
  if (args.flag("dry-run") || matching.count === 0) {
    const nothing = args.flag("dry-run") ? "would be " : "";
    print(
      program,
      args,
      matchingJson(matching),
      `${inZone(describe(matching, verb), program.zone)} ${nothing}${DONE[verb.verb]}\n`,
    );
    const otherwise = otherRange(args, verb.filters);
    if (matching.count === 0 && otherwise !== null) program.stderr.write(`${otherwise}\n`);
    return 0;
  }
  let expect: number | null = null;
  if (!args.flag("yes")) {
    const what = inZone(describe(matching, verb), program.zone);
    const isAgreed = await askFirst(program, `${what} would be ${DONE[verb.verb]}`);
    if (isAgreed === false) return 1;
    if (isAgreed) expect = matching.count;
  }
  const awaited = waits ? await verb.awaited!(store, wish.filter) : null;
  const { id } = await startTask(store, wish, { by: "cli", rate, expect }, clock);
  const code = await follow(program, args, store, id);
  const runs = wish.verb === "cancel" || (await sayIfStopped(program, sources));
  if (awaited === null) {
    if (runs && (wish.verb === "retry" || wish.verb === "replay")) hint(program, HOW_IT_ENDS);
    return code;
  }
  return runs ? Math.max(code, await waitForAttempts(program, args, store, awaited)) : 1;
}

/** They are queued only: each may fail again. */
const HOW_IT_ENDS =
  'queued; "wochit-relay status" says what still waits, "wochit-relay deliveries reasons" what failed';

/** `12 deliveries (cms 9, archive 3; received from 2026-01-31 08:00:00Z to 2026-01-31 09:00:00Z)` */
function describe({ count, oldest, newest, byEndpoint }: Matching, { noun }: Pick<ManyVerb<Filters>, "noun">): string {
  if (count === 0) return formatCount(0, noun);
  const ids = Object.entries(byEndpoint).map(([id, some]) => `${harmless(id)} ${some}`);
  const times = `received from ${shortTime(isoTime(oldest))} to ${shortTime(isoTime(newest))}`;
  return `${formatCount(count, noun)} (${[...(ids.length > 0 ? [ids.join(", ")] : []), times].join("; ")})`;
}

/**
 * Shows a task until it has ended, and works it where no relay does, unless `works` is false. Interrupted it leaves the task to
 * the relay, or to its next start. Resolves with the exit code.
 */
export async function follow(
  program: Program,
  args: Args,
  store: Store,
  id: string,
  { works = true } = {},
): Promise<number> {
  const { ports, stderr } = program;
  const { clock } = ports;
  const signal = abortWhenStopped(program);
  const place = { store, ports, decode: decodeKept };
  const progress = createProgress(program, args.flag("json"));
  const show = async () => {
    const task = await store.task(id);
    const { done, failed, total, verb } = task;
    progress.show(`${done + failed} of ${total} ${DONE[verb]}`);
    return task;
  };
  const since = clock.elapsed();
  let working: Promise<void> | null = null;
  const work = (job: TaskJob) =>
    workTask(place, job, { signal, onPiece() {} })
      .catch((error) => stderr.write(`${harmless(errorLine(error))}\n`))
      .then(() => {
        working = null;
      });
  let task = await show();
  while (task.endedAt === null && !signal.aborted) {
    if (works && working === null && clock.elapsed() - since >= MOMENT) {
      const { job } = await store.claimTask({ id, now: clock.now(), leaseFor: LEASE });
      if (job !== null) working = work(job);
    }
    await sleep(POLL, clock, signal);
    task = await show();
  }
  await working;
  progress.clear();
  if (task.endedAt === null) {
    stderr.write(`${id} goes on in the relay, or at its next start; "wochit-relay tasks cancel ${id}" ends it\n`);
    return 1;
  }
  return report(program, args, taskJson(task));
}

function report(program: Program, args: Args, task: TaskJson): number {
  const { id, verb, state, done, failed, skipped, total, error } = task;
  const others = [failed > 0 && `${failed} not`, skipped > 0 && `${skipped} had changed meanwhile`];
  const isDone = state === "done";
  const end = isDone ? [] : [`of ${total}: ${id} was ${state}`];
  print(program, args, task, `${[`${done} ${DONE[verb]}`, ...others.filter(Boolean), ...end].join(", ")}\n`);
  if (error !== null && !args.flag("json")) program.stderr.write(`${harmless(error)}\n`);
  return isDone && failed === 0 ? 0 : 1;
}
