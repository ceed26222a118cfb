import { dirname, join, resolve } from "node:path";
import { formatSize } from "../../actions/format.ts";
import { isoTime } from "../../actions/json.ts";
import { RelayError } from "../../errors.ts";
import { giveToOwnerOf } from "../../platform/files/file-system.ts";
import { type Copied, databaseOf, nameBackup, refuseOnServer } from "../../store/backup.ts";
import type { Backup } from "../../store/backups.ts";
import { copyDatabase } from "../../store/copy-database.ts";

import type { Command } from "../command.ts";
import { commonOptions } from "../options.ts";
import { describeCopy } from "../output/describe-copy.ts";
import { print } from "../output/print.ts";
import { createProgress, type Progress } from "../output/progress.ts";
import { describePlace, folderOfPlace } from "../places.ts";
import { abortWhenStopped, type Program } from "../program.ts";
import { noteDeed, withTarget } from "../sources.ts";

export const command: Command = {
  name: "backup",
  summary: "copies the database, while the relay runs or not, and checks the copy",
  examples: {
    "wochit-relay backup /backups/relay.db": "copies and checks the database",
    "wochit-relay backup --to-target": "puts the copy into the mirror target",
  },
  positionals: "[FILE]",
  options: {
    "to-target": { type: "boolean", help: "put it into the mirror target, below ~backups/, instead of FILE" },
    database: { type: "string", value: "PATH", help: "this database, without a config; nothing is written to it" },
    "while-stdin": { type: "boolean", help: "stop when standard input ends: for a program that starts this one" },
    ...commonOptions,
  },
  help: `The copy is opened, checked (integrity_check, rows of each table, newest event), and only then gets its name: FILE is
whole or not there. An existing FILE is replaced only if it is a backup. A backup holds the database, and no copies of media.`,
  async run(program, args) {
    const [file] = args.positionals;
    const toTarget = args.flag("to-target");
    const database = args.text("database");
    if (toTarget && file !== undefined) throw new RelayError("usage", "name a FILE or say --to-target, not both");
    if (toTarget && database !== undefined)
      throw new RelayError("usage", "--to-target needs a config, --database has none");
    if (!toTarget && !file) throw new RelayError("usage", "FILE is missing");
    const progress = createProgress(program, args.flag("json"));
    const signal = abortWhenStopped(program, { withStdin: args.flag("while-stdin") });
    const run = { program, signal, progress, withHash: toTarget || args.flag("json") };
    const making = toTarget ? backUpToTarget(run) : backUpToFile(run, file!, database);
    const { where, newest, place, name, ...made } = await making.finally(progress.clear);
    const { bytes, at, schema, events, sha256, ms } = made;
    const newestEvent = isoTime(newest);
    const json = { place, name, bytes, at: isoTime(at), schema, events, newestEvent, sha256, ms };
    print(program, args, json, `${where}: ${describeCopy(json, program.zone)}\n`);
  },
};

const INSTEAD = "back it up with pg_dump or pg_basebackup, or by what who runs it for you offers";

type Run = { program: Program; signal: AbortSignal; progress: Progress; withHash: boolean };

/** `where`: what it is called in the report. */
type Made = Copied & Pick<Backup, "place" | "name"> & { where: string };

async function backUpToFile(run: Run, file: string, database: string | undefined): Promise<Made> {
  const { program } = run;
  const config = database === undefined ? await program.loadConfigToRead() : null;
  if (config !== null) refuseOnServer(config, INSTEAD);
  const source = config === null ? resolve(program.cwd, database!) : databaseOf(config.dataDir);
  const { clearTempFolders } = await import("../temp-folder.ts");
  await clearTempFolders(dirname(source), program.ports.clock).catch(() => {});
  const copied = await copy(run, source, resolve(program.cwd, file));
  const made: Made = { ...copied, place: "file", name: copied.file, where: copied.file };
  if (config !== null) await note(program, config, made);
  return made;
}

function copy({ program, signal, progress, withHash }: Run, database: string, file: string): Promise<Copied> {
  return copyDatabase(database, file, {
    ...{ clock: program.ports.clock, signal, withHash },
    onProgress(now) {
      // The relay's log grows while the copy is made, so that runs at full speed; the longer check runs at low priority.
      if (now.step === "checking") program.lowerPriority();
      progress.ofCopy(now);
    },
  });
}

async function backUpToTarget(run: Run): Promise<Made> {
  const { program, signal, progress } = run;
  const config = await program.loadConfig({ secrets: "target" });
  refuseOnServer(config, INSTEAD);
  const { publicBaseUrl, target: place } = config.mirror;
  if (publicBaseUrl !== null) {
    throw new RelayError(
      "conflict",
      `the mirror target is public (mirror.publicBaseUrl ${publicBaseUrl}), and a backup holds everything: name a FILE`,
    );
  }
  const { withTempFolder } = await import("../temp-folder.ts");
  const { backupKey, putBackup } = await import("../../backup/in-target.ts");
  const { clock, random } = program.ports;
  const name = nameBackup(clock.now(), random.bytes(4));
  const began = clock.elapsed();
  return withTempFolder(config.dataDir, clock, async (dir) => {
    const copied = await copy(run, databaseOf(config.dataDir), join(dir, name));
    const { file, bytes, sha256 } = copied;
    const key = backupKey(name);
    await withTarget(program, config, (target) => {
      progress.wait(`uploading ${formatSize(bytes)} to ${describePlace(place)}`);
      return putBackup(target, key, { file, bytes, sha256: sha256! }, signal);
    });
    const folder = folderOfPlace(place);
    if (folder !== null) {
      for (const path of [dirname(key), key]) await giveToOwnerOf(folder, join(folder, path));
    }
    const where = `${key} in ${describePlace(place)}`;
    const made: Made = { ...copied, place: "target", name: key, where, ms: Math.round(clock.elapsed() - began) };
    await note(program, config, made);
    return made;
  });
}

/** Writes the backup down in the database, so that `doctor` and the relay can report its age. */
async function note(program: Program, config: Parameters<Program["openStore"]>[0], made: Made): Promise<void> {
  const { at, place, name, bytes, events, newest } = made;
  try {
    const store = await program.openStore(config);
    await store.backups.note({ at, place, name, bytes, events, newest, planned: false });
    await noteDeed(program, async () => store, { verb: "backup", subject: name });
  } catch (error) {
    // The database has an older schema: no relay of this version has opened it yet.
    if (error instanceof RelayError && error.code === "conflict") return;
    program.ports.log.warn("the backup is good, but the database could not take a note of it", { error });
  }
}
