import { formatCount, formatSize } from "../../actions/format.ts";
import { archive } from "../../actions/relay/archive.ts";
import { RelayError } from "../../errors.ts";
import { nameOfDay, readDay } from "../../model/archive.ts";
import { loadArchiveConfig, withArchive } from "../archive.ts";
import type { Args } from "../args.ts";
import type { Command, CommandGroup } from "../command.ts";
import { commonOptions } from "../options.ts";
import { print, printJson } from "../output/print.ts";
import { createProgress } from "../output/progress.ts";
import { harmless } from "../output/terminal-text.ts";
import { abortWhenStopped } from "../program.ts";
import { noteDeed } from "../sources.ts";
import { listCommand } from "../verbs.ts";

const list = listCommand(archive, {
  name: "archive list",
  summary: "the files of the archive, the newest day first",
  empty: 'nothing was archived yet: see "retention.archive" in the config',
  next: '"wochit-relay archive verify" reads them all',
  examples: {
    "wochit-relay archive list --video-id 5f3e1c0d2b4a69788796a5b4": "shows the files that have events of it",
  },
  help: `A file holds events that were received on one day (UTC); docs/ARCHIVE.md has its format.`,
});

/** The day that is asked for, as bounds; none: all of them. */
function readDays(args: Args): { since?: number; until?: number } {
  const text = args.text("day");
  if (text === undefined) return {};
  const found = readDay(text);
  if (found === null) throw new RelayError("usage", `--day must be a day (UTC) like 2026-11-30, not "${text}"`);
  return found;
}

const dayOption = {
  type: "string",
  value: "DAY",
  help: "only what was received on this day (UTC), like 2026-11-30",
} as const;

const verify: Command = {
  name: "archive verify",
  summary: "reads every file of the archive, and lists those that are missing or damaged",
  examples: { "wochit-relay archive verify --day 2026-11-30": "reads the files of one day" },
  options: { day: dayOption, ...commonOptions },
  help: `Compares length and sha256 with what was written, beside a running relay or without it. Exit code 1 when something is
wrong, or could not be read.`,
  async run(program, args) {
    const days = readDays(args);
    const config = await loadArchiveConfig(program);
    const store = await program.openStore(config);
    const { eachPart, examinePart, namePlace } = await import("../../archive/verify.ts");
    const signal = abortWhenStopped(program);
    const progress = createProgress(program, args.flag("json"));
    const counts = { files: 0, bytes: 0, good: 0, missing: 0, damaged: 0, unreadable: 0 };
    await withArchive(program, { config, store }, async (parts) => {
      for await (const part of eachPart(store, days)) {
        progress.show(`${counts.files} files read, of ${nameOfDay(part.day)}`);
        const wrong = await examinePart(parts, part, signal);
        counts.files++;
        counts[wrong?.fault ?? "good"]++;
        counts.bytes += part.bytes;
        if (wrong === null) continue;
        progress.clear();
        const { fault, detail } = wrong;
        const found = {
          id: part.id,
          day: nameOfDay(part.day),
          part: part.number,
          place: namePlace(part.place),
          fault,
          detail,
        };
        if (args.flag("json")) printJson(program.stdout, found);
        else program.stdout.write(`${harmless(`${found.day}  ${detail}, in ${found.place}`)}\n`);
      }
    }).finally(progress.clear);
    const wrong = (["missing", "damaged", "unreadable"] as const).filter((name) => counts[name] > 0);
    const words = [`${counts.good} good`, ...wrong.map((name) => `${counts[name]} ${name}`)].join(", ");
    print(program, args, counts, `${formatCount(counts.files, "file")}, ${formatSize(counts.bytes)} read: ${words}\n`);
    return wrong.length > 0 ? 1 : 0;
  },
};

const restore: Command = {
  name: "archive restore",
  summary: "gives events back their bodies, so that they can be shown and sent again",
  examples: {
    "wochit-relay archive restore --video-id 5f3e1c0d2b4a69788796a5b4": "restores what is archived of a video",
    "wochit-relay archive restore --day 2026-11-30": "restores what was received on a day (UTC)",
  },
  options: {
    day: dayOption,
    "video-id": { type: "string", value: "ID", help: "only events of this video" },
    ...commonOptions,
  },
  help: `They stay for 7 days at least, and are not archived twice; "events replay" sends them again meanwhile. Each file is
compared with what was written before anything of it comes back. Attempts stay in the archive. Only events that this database
has can be restored: autosaves that were pruned as a whole, and events of another database, are counted and left.`,
  async run(program, args) {
    const days = readDays(args);
    const videoId = args.text("video-id");
    if ((days.since === undefined) === (videoId === undefined))
      throw new RelayError("usage", "name a --day, or a --video-id");
    const config = await loadArchiveConfig(program);
    const store = await program.openStore(config);
    const { restoreFrom } = await import("../../archive/restore.ts");
    const signal = abortWhenStopped(program);
    const progress = createProgress(program, args.flag("json"));
    const wish = { ...days, videoId, bodies: config.retention.bodies };
    const onPart = ({ key }: { key: string }) => progress.show(`reading ${key}`);
    const done = await withArchive(program, { config, store }, (parts) =>
      restoreFrom(parts, wish, { signal, onPart }),
    ).finally(progress.clear);
    const { files, restored, present, unknown, erased } = done;
    const subject = videoId ?? nameOfDay(days.since!);
    await noteDeed(program, async () => store, { verb: "archive restore", subject, count: restored });
    const others = [
      present > 0 && `${present} had their bodies`,
      unknown > 0 && `${unknown} are not in this database, and were left`,
      erased > 0 && `${erased} were erased, and were left`,
    ].filter((words) => words !== false);
    const line = [`${formatCount(restored, "event")} restored from ${formatCount(files, "file")}`, ...others].join(
      "; ",
    );
    print(program, args, done, `${line}\n`);
    if (restored + present > 0) return 0;
    throw new RelayError("conflict", "nothing could be restored");
  },
};

export const command: CommandGroup = {
  name: "archive",
  summary: "what was kept before it was pruned",
  verbs: { list, verify, restore },
};
