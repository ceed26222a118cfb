import { resolve, sep } from "node:path";
import { tellSize } from "../../actions/format-size.ts";
import type { Config } from "../../config/schema.ts";
import { errorLine, RelayError } from "../../errors.ts";
import type { BackupSource, Restored } from "../../store/backup.ts";
import { restoreDatabase } from "../../store/copy-database.ts";
import { type Args, type Command, type Context, configOption, jsonOption } from "../command.ts";
import { shortTime, tellCount } from "../output/columns.ts";
import { abortWhenStopped, createCopyTeller } from "../output/copy-progress.ts";
import { printJson } from "../output/lists.ts";
import { type Column, renderTable } from "../output/table.ts";
import { describePlace, folderOfPlace } from "../places.ts";

export const command: Command = {
  name: "restore",
  summary: "puts a backup into a data folder that has no database",
  positionals: "[FILE]",
  options: {
    "from-target": { type: "boolean", help: "FILE is the name of a backup in the mirror target: ~backups/relay-….db" },
    ...jsonOption,
    ...configOption,
  },
  help: `The backup is checked before it gets its place. The relay must not run; its next start goes on with what was not done:
media that are not kept yet are downloaded again, deliveries that were made after the backup are made again, under the same
webhook-id. The database begins a new epoch. --from-target without FILE lists the backups that are there.`,
  async run(context, args) {
    const fromTarget = args.flag("from-target");
    const config = await context.loadConfig({ secrets: fromTarget ? "target" : false });
    const [file] = args.positionals;
    const signal = abortWhenStopped(context);
    if (!file)
      throw new RelayError("usage", fromTarget ? await whichOne(context, args, config, signal) : "FILE is missing");
    const restored = fromTarget
      ? await restoreFromTarget(context, args, config, file, signal)
      : await restore(context, args, config, resolve(context.cwd, file), signal);
    report(context, args, config, restored);
    return 0;
  },
};

/** So many are listed. */
const LISTED = 20;

/** Shows which there are, and gives the line that asks for one of them. */
async function whichOne(context: Context, args: Args, config: Config, signal: AbortSignal): Promise<string> {
  const { listBackups } = await import("../../backup/in-target.ts");
  const { openTarget } = await import("../../targets/table.ts");
  const { stdout, env, ports } = context;
  const where = describePlace(config.mirror.target);
  let found: Awaited<ReturnType<typeof listBackups>>;
  try {
    const target = await openTarget(config.mirror.target, { access: "shared", clock: ports.clock });
    found = await listBackups(target, signal).finally(() => target.close());
  } catch (error) {
    return `FILE is missing, and the backups in ${where} cannot be listed: ${errorLine(error)}`;
  }
  if (found.length === 0) return `FILE is missing, and there is no backup in ${where}`;
  const rows = found.slice(0, LISTED).map(({ at, ...row }) => ({ ...row, at: new Date(at).toISOString() }));
  if (args.flag("json")) for (const row of rows) printJson(stdout, row);
  else stdout.write(renderTable(COLUMNS, rows, { columns: stdout.columns, bold: stdout.isTTY && !env.NO_COLOR }));
  const more = found.length > LISTED ? ` (${found.length - LISTED} older ones are not shown)` : "";
  return `FILE is missing: name one of the backups in ${where}${more}`;
}

const COLUMNS: Column<{ name: string; bytes: number; at: string }>[] = [
  { title: "NAME", value: ({ name }) => name, whole: true },
  { title: "SIZE", value: ({ bytes }) => tellSize(bytes), whole: true },
  { title: "TIME", value: ({ at }) => shortTime(at), whole: true },
];

async function restore(context: Context, args: Args, config: Config, from: BackupSource, signal: AbortSignal) {
  const teller = createCopyTeller(context, args.flag("json"));
  try {
    return await restoreDatabase(from, config.dataDir, {
      clock: context.ports.clock,
      signal,
      onProgress: (progress) => teller.onProgress(progress),
    });
  } finally {
    teller.clear();
  }
}

async function restoreFromTarget(context: Context, args: Args, config: Config, name: string, signal: AbortSignal) {
  const { backupKey, backupsIn, isBackupName } = await import("../../backup/in-target.ts");
  if (!isBackupName(name)) {
    const example = "~backups/relay-20261122T031427Z-0a1b2c3d.db";
    const list = '"restore --from-target" without a name lists them';
    throw new RelayError(
      "usage",
      `${JSON.stringify(name)} is no name of a backup in the target, like ${example}: ${list}`,
    );
  }
  const { openTarget } = await import("../../targets/table.ts");
  const teller = createCopyTeller(context, args.flag("json"));
  const target = await openTarget(config.mirror.target, { access: "shared", clock: context.ports.clock });
  const read = async () =>
    told(await backupsIn(target).read(name, signal), (done) => teller.tell("fetched", done, null));
  try {
    return await restore(context, args, config, { name: backupKey(name), read }, signal);
  } finally {
    teller.clear();
    await target.close();
  }
}

async function* told(bytes: AsyncIterable<Uint8Array>, tell: (done: number) => void): AsyncIterable<Uint8Array> {
  let done = 0;
  for await (const chunk of bytes) {
    yield chunk;
    done += chunk.length;
    tell(done);
  }
}

function report({ stdout }: Context, args: Args, { dataDir, mirror }: Config, restored: Restored): void {
  const { file, bytes, schema, newestSchema, events, newest, ms } = restored;
  const newestEvent = newest === null ? null : new Date(newest).toISOString();
  if (args.flag("json")) return printJson(stdout, { file, bytes, schema, events, newestEvent, ms });
  const upTo = newestEvent === null ? "" : `, the newest of ${shortTime(newestEvent)}`;
  stdout.write(
    `${file}: ${tellCount(events, "event")}${upTo}, ${tellSize(bytes)}, checked, in ${(ms / 1000).toFixed(1)} s\n`,
  );
  if (schema < newestSchema) stdout.write(`its schema is ${schema}: the next start makes it ${newestSchema}\n`);
  const isInside = `${folderOfPlace(mirror.target) ?? ""}${sep}`.startsWith(`${dataDir}${sep}`);
  stdout.write(
    "backups that were made before are not known to it: it removes none of them, whatever backup.keep says\n",
  );
  stdout.write(
    isInside
      ? 'start the relay; copies of media are not in a backup: "media verify --mend" downloads those that are missing\n'
      : "start the relay: it goes on with what was not done\n",
  );
}
