import { basename, dirname, join, resolve } from "node:path";
import { tellSize } from "../../actions/format-size.ts";
import { RelayError } from "../../errors.ts";
import { yieldToOthers } from "../../platform/priority.ts";
import { type Copied, databaseOf, nameBackup } from "../../store/backup.ts";
import type { Backup } from "../../store/backups.ts";
import { copyDatabase } from "../../store/copy-database.ts";
import { type Args, type Command, type Context, configOption, jsonOption } from "../command.ts";
import { shortTime, tellCount } from "../output/columns.ts";
import { abortWhenStopped, createCopyTeller } from "../output/copy-progress.ts";
import { printJson } from "../output/lists.ts";
import { describePlace } from "../places.ts";

export const command: Command = {
  name: "backup",
  summary: "copies the database, while the relay runs or not, and proves the copy",
  positionals: "[FILE]",
  options: {
    "to-target": { type: "boolean", help: "put it into the mirror target, below ~backups/, instead of FILE" },
    database: { type: "string", value: "PATH", help: "this database, without a config; nothing is written to it" },
    "while-stdin": { type: "boolean", help: "stop when standard input ends: for a program that starts this one" },
    ...jsonOption,
    ...configOption,
  },
  help: `The copy is opened, checked (integrity_check, rows of each table, newest event), and only then gets its name: FILE is
whole or not there. A FILE that is there is replaced only where it is a backup. It holds the database and no copies of media.`,
  async run(context, args) {
    const [file] = args.positionals;
    const toTarget = args.flag("to-target");
    if (toTarget && file !== undefined) throw new RelayError("usage", "name a FILE or say --to-target, not both");
    if (toTarget && args.text("database") !== undefined)
      throw new RelayError("usage", "--to-target needs a config, --database has none");
    if (!toTarget && !file) throw new RelayError("usage", "FILE is missing");
    const signal = abortWhenStopped(context, { withStdin: args.flag("while-stdin") });
    const backup = toTarget
      ? await backUpToTarget(context, args, signal)
      : await backUpToFile(context, args, file!, signal);
    report(context, args, backup);
    return 0;
  },
};

/** The use of the folders of backups on their way into a target. */
const TEMP = "backup";

type Made = Copied & Pick<Backup, "place" | "name"> & { where: string };

async function backUpToFile(context: Context, args: Args, file: string, signal: AbortSignal): Promise<Made> {
  const database = args.text("database");
  const config = database === undefined ? await context.loadConfig({ secrets: false }) : null;
  const source = config === null ? resolve(context.cwd, database!) : databaseOf(config.dataDir);
  const { clearTempFolders } = await import("../temp-folder.ts");
  await clearTempFolders(dirname(source), TEMP, context.ports.clock).catch(() => {});
  const copied = await copy(context, args, source, resolve(context.cwd, file), signal);
  const made: Made = { ...copied, place: "file", name: copied.file, where: copied.file };
  if (config !== null) await note(context, config, made);
  return made;
}

async function copy(
  context: Context,
  args: Args,
  database: string,
  file: string,
  signal: AbortSignal,
): Promise<Copied> {
  const teller = createCopyTeller(context, args.flag("json"));
  const { clock } = context.ports;
  try {
    const withHash = args.flag("json") || args.flag("to-target");
    return await copyDatabase(database, file, {
      clock,
      signal,
      withHash,
      onProgress(progress) {
        // While it is copied the relay's log only grows, so that is over soon; the check, the longer part, is in no hurry.
        if (progress.step === "checking") yieldToOthers();
        teller.onProgress(progress);
      },
    });
  } finally {
    teller.clear();
  }
}

async function backUpToTarget(context: Context, args: Args, signal: AbortSignal): Promise<Made> {
  const config = await context.loadConfig({ secrets: "target" });
  const { publicBaseUrl, target: place } = config.mirror;
  if (publicBaseUrl !== null) {
    throw new RelayError(
      "conflict",
      `the mirror target is public (mirror.publicBaseUrl ${publicBaseUrl}), and a backup holds everything: name a FILE`,
    );
  }
  const { giveToOwnerOf, withTempFolder } = await import("../temp-folder.ts");
  const { backupsIn } = await import("../../backup/in-target.ts");
  const { openTarget } = await import("../../targets/table.ts");
  const { clock, random } = context.ports;
  const name = nameBackup(clock.now(), random.bytes(4));
  const began = clock.elapsed();
  return withTempFolder(config.dataDir, TEMP, clock, async (dir) => {
    const copied = await copy(context, args, databaseOf(config.dataDir), join(dir, name), signal);
    const target = await openTarget(place, { access: "shared", clock });
    const teller = createCopyTeller(context, args.flag("json"));
    try {
      const { file, bytes, sha256 } = copied;
      teller.wait(`uploading ${tellSize(bytes)} to ${describePlace(place)}`);
      const key = await backupsIn(target).put(basename(file), { file, bytes, sha256: sha256! }, signal);
      teller.clear();
      if (place.type === "local") {
        for (const name of [dirname(key), key]) await giveToOwnerOf(place.dir, join(place.dir, name));
      }
      const where = `${key} in ${describePlace(place)}`;
      const made: Made = { ...copied, place: "target", name: key, where, ms: Math.round(clock.elapsed() - began) };
      await note(context, config, made);
      return made;
    } finally {
      teller.clear();
      await target.close();
    }
  });
}

/** The database knows its verified backups: `doctor` and the relay tell their age. */
async function note(context: Context, config: Parameters<Context["openStore"]>[0], made: Made): Promise<void> {
  const { at, place, name, bytes, events, newest } = made;
  try {
    const store = await context.openStore(config);
    await store.backups.note({ at, place, name, bytes, events, newest, planned: false });
  } catch (error) {
    // Of an older schema: this program's relay has not been there yet.
    if (error instanceof RelayError && error.code === "conflict") return;
    context.ports.log.warn("the backup is good, but the database could not take a note of it", { error });
  }
}

function report({ stdout }: Context, args: Args, made: Made): void {
  const { place, name, bytes, at, schema, events, newest, sha256, ms } = made;
  const newestEvent = newest === null ? null : new Date(newest).toISOString();
  if (args.flag("json")) {
    return printJson(stdout, {
      place,
      name,
      bytes,
      at: new Date(at).toISOString(),
      schema,
      events,
      newestEvent,
      sha256,
      ms,
    });
  }
  const upTo = newestEvent === null ? "" : `, the newest of ${shortTime(newestEvent)}`;
  stdout.write(
    `${made.where}: ${tellCount(events, "event")}${upTo}, ${tellSize(bytes)}, checked, in ${(ms / 1000).toFixed(1)} s\n`,
  );
}
