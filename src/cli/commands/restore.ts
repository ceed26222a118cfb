import { resolve, sep } from "node:path";
import { formatSize, shortTime } from "../../actions/format.ts";
import { isoTime } from "../../actions/json.ts";
import type { Column } from "../../actions/list.ts";
import type { Config } from "../../config/schema.ts";
import { errorLine, RelayError } from "../../errors.ts";
import { type BackupSource, type Restored, refuseOnServer } from "../../store/backup.ts";
import { restoreDatabase } from "../../store/copy-database.ts";
import type { MirrorTarget } from "../../targets/target.ts";
import type { Args } from "../args.ts";
import type { Command } from "../command.ts";
import { commonOptions } from "../options.ts";
import { describeCopy } from "../output/describe-copy.ts";
import { print, printJson, styleOf } from "../output/print.ts";
import { createProgress, type Progress } from "../output/progress.ts";
import { renderTable } from "../output/table.ts";
import { describePlace, folderOfPlace } from "../places.ts";
import { abortWhenStopped, type Program } from "../program.ts";
import { actorOf, withTarget } from "../sources.ts";

export const command: Command = {
  name: "restore",
  summary: "puts a backup into a data folder that has no database",
  examples: {
    "wochit-relay restore /backups/relay.db": "puts this backup into the empty data folder",
    "wochit-relay restore --from-target": "lists the backups in the mirror target",
    "wochit-relay restore --new-epoch": "after a PostgreSQL was restored to a point in time",
  },
  positionals: "[FILE]",
  options: {
    "from-target": { type: "boolean", help: "FILE is the name of a backup in the mirror target: ~backups/relay-….db" },
    "new-epoch": {
      type: "boolean",
      help: "the PostgreSQL of store.url was put back in time: begins a new epoch of it",
    },
    ...commonOptions,
  },
  help: `The backup is checked before it is put in place. The relay must not run. Its next start goes on with what the backup has
as not done: media that are not kept yet are downloaded again, deliveries that were made after the backup are made again,
under the same webhook-id. The database begins a new epoch. --from-target without FILE lists the backups in the target.

A PostgreSQL is restored by its own means. Another server, and one that was restored to a point in time, is noticed by the
relays; one that was put back by a snapshot is not: then --new-epoch begins the epoch. It also cancels tasks that have not
ended, and ends logins. Relays may run.`,
  async run(program, args) {
    if (args.flag("new-epoch")) return newEpoch(program, args);
    const fromTarget = args.flag("from-target");
    const config = await program.loadConfig({ secrets: fromTarget ? "target" : false });
    refuseOnServer(
      config,
      "restore it with pg_restore, or to a point in time, while no relay runs, then run restore --new-epoch",
    );
    const [file] = args.positionals;
    const signal = abortWhenStopped(program);
    if (!file)
      throw new RelayError("usage", fromTarget ? await listToChoose(program, args, config, signal) : "FILE is missing");
    if (fromTarget) await checkName(file);
    const progress = createProgress(program, args.flag("json"));
    const restore = (from: BackupSource) => {
      const options = { clock: program.ports.clock, signal, onProgress: progress.ofCopy, actor: actorOf(program) };
      return restoreDatabase(from, config.dataDir, options);
    };
    const restoring = fromTarget
      ? withTarget(program, config, async (target) => restore(await backupIn(target, file, signal, progress)))
      : restore(resolve(program.cwd, file));
    report(program, args, config, await restoring.finally(progress.clear));
  },
};

async function newEpoch(program: Program, args: Args): Promise<void> {
  if (args.positionals.length > 0 || args.flag("from-target"))
    throw new RelayError("usage", "--new-epoch goes with no backup: it is for the PostgreSQL of store.url");
  const { store: database } = await program.loadConfig({ secrets: false });
  if (database === null)
    throw new RelayError(
      "usage",
      "--new-epoch is for the PostgreSQL of store.url: restore FILE begins an epoch by itself",
    );
  const { beginRestoredEpoch } = await import("../../store/postgres/epoch/restored.ts");
  const epoch = await beginRestoredEpoch({ database, actor: actorOf(program) }, program.ports);
  print(
    program,
    args,
    { epoch },
    `epoch ${epoch} has begun: readers of the feed begin again, and deliveries go on in 25 s\n`,
  );
}

/** How many backups are listed at most. */
const LISTED = 20;

/** Prints the backups in the target, and resolves with the error that asks for one of them. */
async function listToChoose(program: Program, args: Args, config: Config, signal: AbortSignal): Promise<string> {
  const { listBackups } = await import("../../backup/in-target.ts");
  const { stdout } = program;
  const where = describePlace(config.mirror.target);
  let found: Awaited<ReturnType<typeof listBackups>>;
  try {
    found = await withTarget(program, config, (target) => listBackups(target, signal));
  } catch (error) {
    return `FILE is missing, and the backups in ${where} cannot be listed: ${errorLine(error)}`;
  }
  if (found.length === 0) return `FILE is missing, and there is no backup in ${where}`;
  const rows = found.slice(0, LISTED).map(({ at, ...row }) => ({ ...row, at: isoTime(at) }));
  if (args.flag("json")) for (const row of rows) printJson(stdout, row);
  else stdout.write(renderTable(COLUMNS, rows, styleOf(program)));
  const more = found.length > LISTED ? ` (${found.length - LISTED} older ones are not shown)` : "";
  return `FILE is missing: name one of the backups in ${where}${more}`;
}

const COLUMNS: Column<{ name: string; bytes: number; at: string }>[] = [
  { title: "NAME", value: ({ name }) => name, whole: true },
  { title: "SIZE", value: ({ bytes }) => formatSize(bytes), whole: true },
  { title: "TIME", value: ({ at }) => shortTime(at), whole: true },
];

async function checkName(name: string): Promise<void> {
  const { isBackupName } = await import("../../backup/in-target.ts");
  if (isBackupName(name)) return;
  const example = "~backups/relay-20261122T031427Z-0a1b2c3d.db";
  const list = '"restore --from-target" without a name lists them';
  throw new RelayError(
    "usage",
    `${JSON.stringify(name)} is no name of a backup in the target, like ${example}: ${list}`,
  );
}

async function backupIn(target: MirrorTarget, name: string, signal: AbortSignal, progress: Progress) {
  const { backupKey } = await import("../../backup/in-target.ts");
  const fetched = (bytes: number) => progress.show(`fetched: ${formatSize(bytes)}`);
  const key = backupKey(name);
  const read = async () => {
    const bytes = await target.read(key, signal);
    if (bytes === null) throw new RelayError("not_found", `the target has no ${key}`);
    return counted(bytes, fetched);
  };
  return { name: key, read };
}

/** The same bytes; `onRead` is called with how many there have been. */
async function* counted(bytes: AsyncIterable<Uint8Array>, onRead: (done: number) => void): AsyncIterable<Uint8Array> {
  let done = 0;
  for await (const chunk of bytes) {
    yield chunk;
    done += chunk.length;
    onRead(done);
  }
}

function report(program: Program, args: Args, { dataDir, mirror }: Config, restored: Restored): void {
  const { file, bytes, schema, newestSchema, events, newest, ms } = restored;
  const json = { file, bytes, schema, events, newestEvent: isoTime(newest), ms };
  const isInside = `${folderOfPlace(mirror.target) ?? ""}${sep}`.startsWith(`${dataDir}${sep}`);
  const lines = [
    `${file}: ${describeCopy(json, program.zone)}`,
    ...(schema < newestSchema ? [`its schema is ${schema}: the next start makes it ${newestSchema}`] : []),
    "backups that were made before are not known to it: it removes none of them, whatever backup.keep says",
    isInside
      ? 'start the relay; copies of media are not in a backup: "media verify --mend" downloads those that are missing (into an empty folder only once any file is put there: an empty one may be a disk that is not mounted)'
      : "start the relay: it goes on with what was not done",
  ];
  print(program, args, json, `${lines.join("\n")}\n`);
}
