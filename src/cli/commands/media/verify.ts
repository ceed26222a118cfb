import { opendir } from "node:fs/promises";
import { formatCount, formatSize, relativeTime } from "../../../actions/format.ts";
import { copyFilters } from "../../../actions/media.ts";
import { type Finding, type VerifySummary, verifyCopies } from "../../../actions/verify/copies.ts";
import { errorLine, RelayError } from "../../../errors.ts";
import type { TargetPlace } from "../../../targets/table.ts";
import type { Args } from "../../args.ts";
import type { Command } from "../../command.ts";
import { commonOptions, filterOptions, rangeOptions, readByteRate, readFilters, readRange } from "../../options.ts";
import { print, printJson } from "../../output/print.ts";
import { createProgress } from "../../output/progress.ts";
import { harmless } from "../../output/terminal-text.ts";
import { describePlace, folderOfPlace } from "../../places.ts";
import { abortWhenStopped, type Program } from "../../program.ts";

/** How often progress is a plain line, in milliseconds. */
const EVERY_LINE = 60_000;

export const verify: Command = {
  name: "media verify",
  summary: "reads every copy in its target, and lists those that are missing or damaged",
  examples: {
    "wochit-relay media verify": "reads every copy",
    "wochit-relay media verify --since 7d --rate 50MiB --mend": "reads last week's slowly, and repairs them",
  },
  options: {
    ...filterOptions(copyFilters),
    ...rangeOptions,
    rate: { type: "string", value: "SIZE", help: "read at most this much per second, like 50MiB" },
    summary: { type: "boolean", help: "print the summary only" },
    "while-stdin": { type: "boolean", help: "stop when standard input ends: for a program that starts this one" },
    mend: {
      type: "boolean",
      help: "download again what is missing or damaged (an expired link is tried all the same)",
    },
    ...commonOptions,
  },
  help: `Compares byte count and sha256 with what was kept. It works beside a running relay, which does the mending.
With --json each finding is an object with a "fault" (missing, damaged, unreadable); the last object is the summary.
Exit code 1 when something is wrong, or could not be read.`,
  async run(program, args) {
    const rate = readByteRate(args);
    const filter = { ...readFilters(args, copyFilters, program), ...readRange(args, program) };
    const mend = args.flag("mend");
    const { store, places, targets } = await openAll(program);
    const open = async (target: string) => {
      const opened = await targets.at(target);
      if (opened === null) throw new RelayError("internal", `the database has no target ${target}`);
      return opened;
    };
    try {
      const isWhole = Object.values(filter).every((value) => value === undefined);
      const printer = createPrinter(program, args, places, isWhole ? (await store.counts()).media.mirrored : undefined);
      const signal = abortWhenStopped(program, { withStdin: args.flag("while-stdin") });
      const summary = await verifyCopies({
        ...{ store, clock: program.ports.clock, signal, filter, rate, mend, ...printer },
        lookInto: async (target) => {
          // There is no such object: a store that says so is reached.
          const unreachable = await open(target)
            .then((opened) => opened.head("~verify"))
            .then(() => null, cannotRead);
          return unreachable ?? lookIntoPlace(places.get(target));
        },
        read: async ({ target, key }, signal) => (await open(target)).read(key, signal),
      });
      return printer.end(summary, { stopped: signal.aborted, mend });
    } finally {
      await targets.close();
    }
  },
};

async function openAll(program: Program) {
  const { openTargets } = await import("../../../mirror/open-targets.ts");
  const config = await program.loadConfig({ secrets: "target" });
  const store = await program.openStore(config);
  const { mirror, dataDir } = config;
  // Opening a local target makes its folder, owned by this command's user, also where a disk is only not mounted.
  const missing = await lookIntoPlace(mirror.target, { mayBeEmpty: true });
  if (missing !== null) throw new RelayError("not_found", `the media folder ${missing}`);
  const targets = await openTargets({ config: mirror, dataDir, store, beside: true });
  const places = new Map((await store.targets()).map(({ id, place }) => [id, place]));
  return { store, places, targets };
}

function cannotRead(error: unknown): string {
  return `cannot be read: ${errorLine(error)}`;
}

/** Whether there is anything in a place: null when there is, else what is wrong. A bucket may be empty. */
async function lookIntoPlace(place: TargetPlace | undefined, { mayBeEmpty = false } = {}): Promise<string | null> {
  const folder = place ? folderOfPlace(place) : null;
  if (folder === null) return null;
  try {
    for await (const { name } of await opendir(folder)) if (!name.startsWith(".")) return null;
  } catch (error) {
    return `${folder} ${cannotRead(error)}`;
  }
  if (mayBeEmpty) return null;
  return "it holds nothing at all: most likely its disk is not mounted. Mount it, and run this again; only where all copies are really lost, put any file into it first";
}

/** Prints what is found while the reading goes on, and the summary. */
function createPrinter(program: Program, args: Args, places: Map<string, TargetPlace>, total: number | undefined) {
  const { stdout, stderr, ports } = program;
  const asJson = args.flag("json");
  const progress = createProgress(program, asJson, EVERY_LINE);
  const lostTargets: { target: string; why: string }[] = [];

  return {
    async found(finding: Finding): Promise<void> {
      if (args.flag("summary")) return;
      progress.clear();
      if (asJson) printJson(stdout, finding);
      else stdout.write(`${describeFinding(finding, ports.clock.now())}\n`);
      await stdout.drained();
    },

    lost(target: string, why: string): void {
      const place = places.get(target);
      const name = place ? describePlace(place) : `target ${target}`;
      lostTargets.push({ target: place ? name : target, why });
      progress.clear();
      stderr.write(`wochit-relay: ${harmless(`${name}: ${why}`)}. Its copies are not judged\n`);
    },

    progress({ copies, bytes, good }: VerifySummary): void {
      const of = total === undefined ? "" : ` of about ${total}`;
      progress.show(`${copies}${of} copies so far, ${formatSize(bytes)}, ${copies - good} wrong`);
    },

    /** Prints the summary; returns the exit code. */
    end(summary: VerifySummary, { stopped, mend }: { stopped: boolean; mend: boolean }): number {
      const { copies, good, mended, unreached } = summary;
      const wrong = copies - good;
      const lines = [describeSummary(summary)];
      if (stopped) lines.push("stopped before the end");
      if (mended > 0) lines.push(`${mended} queued for download: the relay does it; "media list" says how it ends`);
      if (!mend && wrong > 0) lines.push("--mend downloads again what is missing or damaged");
      progress.clear();
      print(program, args, { ...summary, lostTargets, stopped }, `${lines.join("\n")}\n`);
      return wrong > 0 || unreached > 0 || lostTargets.length > 0 || stopped ? 1 : 0;
    },
  };
}

function describeFinding({ id, kind, key, fault, detail, deadline, mend }: Finding, now: number): string {
  const end = Date.parse(deadline);
  const link = end > now ? `its link dies ${relativeTime(end, now)}` : `its link died ${relativeTime(end, now)}`;
  const note = mend?.note ? ` (${mend.note})` : "";
  const then = mend === null ? link : `${mend.queued ? "queued for download" : "not mended"}${note}`;
  return harmless(`${fault.padEnd(10)}  ${id}  ${kind.padEnd(9)}  ${key} ${detail}; ${then}`);
}

function describeSummary(summary: VerifySummary): string {
  const counts = (["good", "missing", "damaged", "unreadable"] as const)
    .filter((name) => name === "good" || summary[name] > 0)
    .map((name) => `${summary[name]} ${name}`);
  if (summary.unreached > 0) counts.push(`and ${summary.unreached} of which nothing is known`);
  return `${formatCount(summary.copies, "copy")}, ${formatSize(summary.bytes)} read: ${counts.join(", ")}`;
}
