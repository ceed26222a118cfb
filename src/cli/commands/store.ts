import type { StoreCopied } from "../../store/backup.ts";
import { copyStore } from "../../store/copy-database.ts";
import type { Command, CommandGroup } from "../command.ts";
import { commonOptions } from "../options.ts";
import { print } from "../output/print.ts";
import { createProgress } from "../output/progress.ts";
import { abortWhenStopped } from "../program.ts";
import { actorOf } from "../sources.ts";

const copy: Command = {
  name: "store copy",
  summary: "copies the SQLite database of dataDir into the empty PostgreSQL of store.url, with the relay stopped",
  examples: {
    "wochit-relay store copy": "copies it, and compares what was written",
    "wochit-relay store copy --json": "the same, with the rows and the sha256 of each table as JSON",
  },
  options: commonOptions,
  help: `Ids, secrets, events, deliveries that wait, attempts, media, quarantine, tasks and audit stay as they are; the copy begins a
new epoch. It is whole or not there at all: after a failure run it again. Copies of media must not lie in a folder: "media move"
brings them into a bucket, while the relay still runs on SQLite. Afterwards start this relay with store.url, with the same dataDir:
what is downloaded and not uploaded yet is in it. The file relay.db stays, and must not be used by a relay again.`,
  async run(program, args) {
    const { dataDir, store: server } = await program.loadConfig({ secrets: false });
    const progress = createProgress(program, args.flag("json"));
    const copied = await copyStore({ dataDir, server }, program.ports, {
      actor: actorOf(program),
      signal: abortWhenStopped(program),
      onProgress: ({ step, done, total }) => progress.show(`${step}: ${Math.floor((100 * done) / total)} %`),
    }).finally(progress.clear);
    print(program, args, copied, describe(copied, dataDir));
  },
};

function describe({ tables, rows, ms }: StoreCopied, dataDir: string): string {
  const of = (name: string) => tables.find(({ table }) => table === name)!.rows;
  const what = ["events", "videos", "deliveries", "media"].map((name) => `${of(name)} ${name}`).join(", ");
  return `copied ${rows} rows in ${(ms / 1_000).toFixed(1)} s: ${what}; each table was read again, and is the same
start the relay with store.url and the same dataDir; never start one on ${dataDir}/relay.db again: move it away
`;
}

export const command: CommandGroup = {
  name: "store",
  summary: "moves the store into another database",
  verbs: { copy },
};
