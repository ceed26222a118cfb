import { opendir } from "node:fs/promises";
import { tellSize } from "../../actions/format-size.ts";
import type { Read } from "../../actions/read-copy.ts";
import { tellWhen } from "../../actions/times.ts";
import { type Finding, type VerifySummary, verifyCopies } from "../../actions/verify-copies.ts";
import { parseSize } from "../../config/units.ts";
import { errorLine, RelayError } from "../../errors.ts";
import type { Targets } from "../../mirror/open-targets.ts";
import type { Store } from "../../store/store.ts";
import type { TargetPlace } from "../../targets/table.ts";
import { type Args, type Command, type Context, configOption, jsonOption } from "../command.ts";
import { tellCount } from "../output/columns.ts";
import { printJson, rangeOptions, readRange } from "../output/lists.ts";
import { harmless } from "../output/terminal-text.ts";
import { describePlace, folderOfPlace } from "../places.ts";

const KINDS = ["video", "thumbnail"] as const;

/** How often progress is told, in milliseconds: on a terminal, and in plain lines. */
const ON_TERMINAL = 100;
const IN_LINES = 60_000;

export const verify: Command = {
  name: "media verify",
  summary: "reads every copy in its target, and tells which are missing or damaged",
  options: {
    "video-id": { type: "string", value: "ID", help: "only of this video" },
    kind: { type: "string", value: "KIND", help: `only of this kind: ${KINDS.join(", ")}` },
    ...rangeOptions,
    rate: { type: "string", value: "SIZE", help: "read at most this much per second, like 50MiB" },
    mend: {
      type: "boolean",
      help: "download again what is missing or damaged (an expired link is tried all the same)",
    },
    ...jsonOption,
    ...configOption,
  },
  help: `Compares byte count and sha256 with what was kept. It works beside a running relay, which does the mending.
With --json each finding is an object with a "fault" (missing, damaged, unreadable); the last object is the summary.
Exit code 1 when something is wrong, or could not be read.`,
  async run(context, args) {
    const rate = readRate(args);
    const kind = args.word("kind", KINDS);
    const wish = { videoId: args.text("video-id"), kind, ...readRange(args, context.ports) };
    const { store, places, targets } = await open(context);
    try {
      const isWhole = Object.values(wish).every((value) => value === undefined);
      const printer = createPrinter(context, args, places, isWhole ? (await store.counts()).media.mirrored : undefined);
      const abort = new AbortController();
      context.untilStopped().then(() => abort.abort(new Error("stopped")));
      const { clock } = context.ports;
      const { signal } = abort;
      const read = readFrom(targets);
      const lookInto = (target: string) => lookIntoPlace(places.get(target));
      const mend = args.flag("mend");
      const summary = await verifyCopies({ store, clock, signal, read, lookInto, wish, rate, mend, ...printer });
      return printer.end(summary, { stopped: signal.aborted, mend });
    } finally {
      await targets.close();
    }
  },
};

function readRate(args: Args): number | null {
  const text = args.text("rate");
  if (text === undefined) return null;
  const rate = parseSize(text);
  if (rate === null || rate === 0) throw new RelayError("usage", `--rate must be a size like 50MiB, not "${text}"`);
  return rate;
}

async function open(context: Context): Promise<{ store: Store; places: Map<string, TargetPlace>; targets: Targets }> {
  const { openTargets } = await import("../../mirror/open-targets.ts");
  const config = await context.loadConfig({ secrets: "target" });
  const store = await context.openStore(config);
  // Opening it would make it, as whoever runs this command, where it may only not be mounted.
  const missing = await lookIntoPlace(config.mirror.target, { mayBeEmpty: true });
  if (missing !== null) throw new RelayError("not_found", `the media folder ${missing}`);
  const targets = await openTargets({ config: config.mirror, dataDir: config.dataDir, store, beside: true });
  const places = new Map((await store.targets()).map(({ id, place }) => [id, place]));
  return { store, places, targets };
}

function readFrom(targets: Targets): Read {
  return async ({ target, key }, signal) => {
    const opened = await targets.at(target);
    if (opened === null) throw new RelayError("internal", `the database knows no target ${target}`);
    return opened.read(key, signal);
  };
}

/** Whether there is anything in a place: null when there is, else what is wrong. A bucket says itself when it is gone. */
async function lookIntoPlace(place: TargetPlace | undefined, { mayBeEmpty = false } = {}): Promise<string | null> {
  const folder = place ? folderOfPlace(place) : null;
  if (folder === null) return null;
  try {
    for await (const { name } of await opendir(folder)) if (!name.startsWith(".")) return null;
  } catch (error) {
    return `${folder} cannot be read: ${errorLine(error)}`;
  }
  if (mayBeEmpty) return null;
  return "it holds nothing at all: is its disk mounted? Where all copies are really lost, put any file into it";
}

/** Tells what is found while it goes on, and what came of it. */
function createPrinter(context: Context, args: Args, places: Map<string, TargetPlace>, total: number | undefined) {
  const { stdout, stderr, ports } = context;
  const { clock } = ports;
  const asJson = args.flag("json");
  const live = stdout.isTTY && !asJson;
  const lostTargets: { target: string; why: string }[] = [];
  let told = clock.elapsed();

  /** What stands on the terminal's last line goes. */
  const clear = () => {
    if (live) stderr.write("\r\x1b[K");
  };

  return {
    async found(finding: Finding): Promise<void> {
      clear();
      if (asJson) printJson(stdout, finding);
      else stdout.write(`${describeFinding(finding, clock.now())}\n`);
      await stdout.drained();
    },

    lost(target: string, why: string): void {
      const place = places.get(target);
      lostTargets.push({ target: place ? describePlace(place) : target, why });
      clear();
      const name = place ? describePlace(place) : `target ${target}`;
      stderr.write(`wochit-relay: ${harmless(`${name}: ${why}`)}. Nothing is said of the copies in it\n`);
    },

    progress(soFar: VerifySummary): void {
      if (asJson || clock.elapsed() - told < (live ? ON_TERMINAL : IN_LINES)) return;
      told = clock.elapsed();
      const { copies, bytes, good } = soFar;
      const of = total === undefined ? "" : ` of about ${total}`;
      const line = `${copies}${of} copies, ${tellSize(bytes)}, ${copies - good} wrong`;
      if (live) stderr.write(`\r\x1b[K${line}`);
      else stdout.write(`${line} so far\n`);
    },

    /** Says what came of it; gives the exit code. */
    end(summary: VerifySummary, { stopped, mend }: { stopped: boolean; mend: boolean }): number {
      const { copies, good, mended, unreached } = summary;
      const wrong = copies - good;
      const code = wrong > 0 || unreached > 0 || lostTargets.length > 0 || stopped ? 1 : 0;
      if (asJson) {
        printJson(stdout, { ...summary, lostTargets, stopped });
        return code;
      }
      clear();
      stdout.write(`${describeSummary(summary)}\n`);
      if (stopped) stdout.write("stopped before the end\n");
      if (mended > 0) stdout.write(`${mended} queued for download: the relay does it; "media list" says how it ends\n`);
      if (!mend && wrong > 0) stdout.write("--mend downloads again what is missing or damaged\n");
      return code;
    },
  };
}

function describeFinding({ id, kind, key, fault, detail, deadline, mend }: Finding, now: number): string {
  const end = Date.parse(deadline);
  const link = end > now ? `its link dies ${tellWhen(end, now)}` : `its link died ${tellWhen(end, now)}`;
  const note = mend?.note ? ` (${mend.note})` : "";
  const then = mend === null ? link : `${mend.queued ? "queued for download" : "not mended"}${note}`;
  return harmless(`${fault.padEnd(10)}  ${id}  ${kind.padEnd(9)}  ${key} ${detail}; ${then}`);
}

function describeSummary(summary: VerifySummary): string {
  const counts = (["good", "missing", "damaged", "unreadable"] as const)
    .filter((name) => name === "good" || summary[name] > 0)
    .map((name) => `${summary[name]} ${name}`);
  if (summary.unreached > 0) counts.push(`and ${summary.unreached} of which nothing is known`);
  return `${tellCount(summary.copies, "copy")}, ${tellSize(summary.bytes)} read: ${counts.join(", ")}`;
}
