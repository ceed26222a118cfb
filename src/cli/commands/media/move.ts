import { formatCount, formatSize, relativeTime } from "../../../actions/format.ts";
import { countMovable, type Movable, startMove } from "../../../actions/move/copies.ts";
import type { Command } from "../../command.ts";
import { commonOptions, manyOptions, readByteRate } from "../../options.ts";
import { print } from "../../output/print.ts";
import { harmless } from "../../output/terminal-text.ts";
import { askFirst } from "../../program.ts";
import { openSources } from "../../sources.ts";
import { follow } from "../../tasks.ts";
import { sayIfStopped } from "../../wait.ts";

/** How many of those that could not be moved are named. */
const NAMED = 20;

export const move: Command = {
  name: "media move",
  summary: "brings copies from where they are into the present target, while the relay runs",
  examples: {
    "wochit-relay media move --dry-run --rate 50MiB": "says how many, how much, and how long it would take",
    "wochit-relay media move --rate 50MiB": "moves them, and leaves what was moved where it was",
    "wochit-relay media move --delete-source": "moves what is left, and deletes all that was moved where it was",
  },
  options: {
    rate: { type: "string", value: "SIZE", help: "move at most this much per second, like 50MiB" },
    "delete-source": {
      type: "boolean",
      help: "delete copies where they were, once they are proven where they are now",
    },
    "dry-run": {
      ...manyOptions["dry-run"],
      help: "say how many copies there are to move, and how large, and move none",
    },
    yes: manyOptions.yes,
    ...commonOptions,
  },
  help: `Copies are elsewhere after mirror.target has changed, or formerTargets. Each is read and proven by its sha256, put into the target,
proven there, and only then its medium turns to it: its links are answered all the time. New copies go first. The relay does it, as
a task ("tasks list") that goes on after a restart; run it again at any time. What cannot be moved because it is gone or damaged is
named, stays as it is, and the exit code is 1: "media verify --mend" has it downloaded again. Links to a CDN (publicBaseUrl) do
not pass the relay.`,
  async run(program, args) {
    const { clock } = program.ports;
    const rate = readByteRate(args);
    const deleteSource = args.flag("delete-source");
    const { store, config } = await openSources(program);
    const movable = await countMovable(store, config.mirror.target, { rate });
    const what = describe(movable, { rate, deleteSource });
    const hasNone = movable.copies === 0 && (movable.left.copies === 0 || !deleteSource);
    if (args.flag("dry-run") || hasNone) {
      print(program, args, { dryRun: args.flag("dry-run"), ...movable }, `${what}\n`);
      return 0;
    }
    let expect: number | null = null;
    if (!args.flag("yes")) {
      const isAgreed = await askFirst(program, what);
      if (isAgreed === false) return 1;
      if (isAgreed) expect = movable.copies;
    }
    const { id } = await startMove(store, config, { deleteSource, rate, expect, by: "cli" }, clock.now());
    if (!(await sayIfStopped(program, { store, config }))) return 1;
    const code = await follow(program, args, store, id, { works: false });
    const failed = await store.failedMoves(id, NAMED + 1);
    if (args.flag("json")) return code;
    for (const { mediumId, error } of failed.slice(0, NAMED)) program.stderr.write(`${mediumId}: ${harmless(error)}\n`);
    if (failed.length > NAMED) program.stderr.write("and more: the relay's log names all\n");
    if (deleteSource && movable.left.copies > 0 && code === 0) {
      program.stdout.write(
        `${sizeOf(movable.left)} of earlier moves are deleted where they were: in a folder now, in a bucket within 6 h\n`,
      );
    }
    return code;
  },
};

const sizeOf = ({ copies, bytes }: { copies: number; bytes: number }) =>
  `${formatCount(copies, "copy")}, ${formatSize(bytes)},`;

/** `12 copies, 3.4 GiB, would be moved to the bucket media, from the folder /srv/media; at 50.0 MiB a second done in 1 min` */
function describe(movable: Movable, { rate, deleteSource }: { rate: number | null; deleteSource: boolean }): string {
  const { copies, bytes, seconds, to, from, left } = movable;
  const places =
    from.length === 1 ? from[0]!.place : from.map(({ place, copies }) => `${copies} from ${place}`).join(", ");
  const time =
    rate === null || seconds === null
      ? ""
      : `; at ${formatSize(rate)} a second done ${relativeTime(seconds * 1_000, 0)}`;
  const moved =
    copies === 0
      ? `all copies are in ${to}`
      : `${sizeOf({ copies, bytes })} would be moved to ${to}${from.length === 1 ? ` from ${places}` : `: ${places}`}${time}`;
  const then = deleteSource ? "would be deleted there" : "are left there (--delete-source)";
  const before = left.copies === 0 ? "" : `; ${sizeOf(left)} of earlier moves ${then}`;
  return harmless(`${moved}${before}`);
}
