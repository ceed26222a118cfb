import { formatCount, formatSize } from "../../actions/format.ts";
import type { Column } from "../../actions/list.ts";
import { countPrunable, pruneNow } from "../../actions/prune.ts";
import type { Config } from "../../config/schema.ts";
import { RelayError } from "../../errors.ts";
import type { Pruned } from "../../model/retention.ts";
import { refuseOnServer } from "../../store/backup.ts";
import { archiver, loadArchiveConfig, withArchive } from "../archive.ts";
import type { Command } from "../command.ts";
import { commonOptions } from "../options.ts";
import { print, section } from "../output/print.ts";
import { createProgress, type Progress } from "../output/progress.ts";
import { abortWhenStopped, type Program } from "../program.ts";
import { noteDeed } from "../sources.ts";

export const command: Command = {
  name: "prune",
  summary: "removes what has been kept as long as the config says, now",
  examples: {
    "wochit-relay prune --dry-run": "shows what would go, and how much",
    "wochit-relay prune": "prunes it, beside the relay or without it",
    "wochit-relay prune --compact": "the same, and makes the database file as small as it can be; stop the relay first",
  },
  options: {
    "dry-run": { type: "boolean", help: "only show what would go" },
    compact: { type: "boolean", help: "write the database file anew, without free room: with the relay stopped" },
    ...commonOptions,
  },
  help: `The relay does this by itself, once an hour. What goes is in "retention" of the config: bodies of events and attempts of
deliveries, for as long after they have ended; autosaves (draft.update) as a whole, but for each video's newest. What waits, is
pending, runs or is not mirrored yet stays. --compact needs room on the disk for what stays; a database that
0.2.0 or an earlier version made shrinks only by it. With "retention.archive" what goes is archived first, and goes by whole days (UTC).`,
  async run(program, args) {
    const config = await loadArchiveConfig(program);
    const [isDry, compacts] = [args.flag("dry-run"), args.flag("compact")];
    if (isDry && compacts) throw new RelayError("usage", "--compact and --dry-run do not go together");
    if (compacts) refuseOnServer(config, "it gives room to new rows by itself, and to the disk by VACUUM FULL");
    if (compacts) await refuseBeside(config);
    const store = await program.openStore(config);
    const { clock } = program.ports;
    if (isDry) {
      const { archived, ...pruned } = await countPrunable(store, config, clock.now());
      const { bytes, free } = await store.space();
      const json = { dryRun: true, ...pruned, archived, database: { bytes, free } };
      const first = archived === 0 ? "" : `${formatCount(archived, "event")} would be archived before\n`;
      print(program, args, json, `${table(program, pruned)}${first}${sizeLine(bytes, free)}nothing was pruned\n`);
      return 0;
    }
    const signal = abortWhenStopped(program);
    const progress = createProgress(program, args.flag("json"));
    let [step, rows] = ["pruning", 0];
    const onPiece = (pruned: Pruned) => {
      rows = sumOf(pruned);
    };
    progress.wait(() => `${step}, ${rows} rows pruned so far`);
    const done = await withArchive(program, { config, store }, async (parts) => {
      const fill = await archiver(parts);
      const archive: typeof fill = (...how) => {
        step = "archiving what goes";
        return fill(...how).finally(() => {
          step = "pruning";
        });
      };
      return pruneNow(store, config, program.ports, { archive, signal, onPiece });
    }).finally(progress.clear);
    const { pruned, returned, isWhole, archived, archiveError } = done;
    await noteDeed(program, async () => store, { verb: "prune", subject: null, count: sumOf(pruned) });
    const { bytes, free } = await store.space();
    const compacted = compacts && isWhole ? await compact(config, () => store.close(), progress) : null;
    const database = compacted === null ? { bytes, free } : { bytes: compacted.after, free: 0 };
    const json = { dryRun: false, ...pruned, archived, returned, database, compacted, isWhole };
    const first = archived === 0 ? "" : `${formatCount(archived, "event")} archived before\n`;
    const end = compacted
      ? `the database file had ${formatSize(compacted.before)}, it has ${formatSize(compacted.after)}\n`
      : sizeLine(bytes, free);
    print(program, args, json, table(program, pruned) + first + end);
    if (archiveError !== null)
      throw new RelayError("target_unavailable", `what could not be archived was not pruned: ${archiveError}`);
    if (isWhole) return 0;
    throw new RelayError(
      "conflict",
      `${signal.aborted ? "it was stopped" : "another took over"} before its end: nothing is lost, the relay goes on with it`,
    );
  },
};

/** Before anything is pruned. */
async function refuseBeside({ dataDir }: Config): Promise<void> {
  const { isRelayRunning } = await import("../../store/sqlite/files/inspect.ts");
  if (isRelayRunning(dataDir))
    throw new RelayError("conflict", `a relay is running with dataDir ${dataDir}: stop it to compact its database`);
}

async function compact({ dataDir }: Config, close: () => Promise<void>, progress: Progress) {
  await close();
  progress.wait("writing the database anew");
  const { compactDatabase } = await import("../../store/copy-database.ts");
  return compactDatabase(dataDir).finally(progress.clear);
}

type Row = { kind: string; rows: number; bytes: number };

const WORDS: Record<keyof Pruned, string> = {
  bodies: "bodies of events",
  autosaves: "autosaves, whole",
  duplicates: "repeated events' bodies",
  attempts: "attempts of deliveries",
};

const COLUMNS: Column<Row>[] = [
  { title: "WHAT", value: ({ kind }) => kind, whole: true },
  { title: "ROWS", value: ({ rows }) => rows, whole: true },
  { title: "CONTENT", value: ({ bytes }) => formatSize(bytes), whole: true },
];

function table(program: Program, pruned: Pruned): string {
  const rows = (Object.keys(WORDS) as (keyof Pruned)[]).map((kind) => ({ kind: WORDS[kind], ...pruned[kind] }));
  return section(program, COLUMNS, rows).trimStart();
}

const sumOf = (pruned: Pruned) => Object.values(pruned).reduce((sum, { rows }) => sum + rows, 0);

const sizeLine = (bytes: number, free: number) =>
  `the database has ${formatSize(bytes)}, ${formatSize(free)} of it free for what comes\n`;
