import { formatCount } from "../../actions/format.ts";
import { countContextMissing, importContexts, showContext, videoColumns } from "../../actions/videos.ts";
import type { Command, CommandGroup } from "../command.ts";
import { beforeOption, commonOptions, limitOption, readLimit } from "../options.ts";
import { print, printList, sayMore } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";
import { readInput } from "../program.ts";
import { readMappings } from "../read-mappings.ts";
import { openSources } from "../sources.ts";

const show: Command = {
  name: "contexts show",
  summary: "the videos that have, or once had, a videoContext",
  examples: {
    "wochit-relay contexts show page-12": "shows the videos of one page",
  },
  positionals: "CONTEXT",
  options: { ...limitOption, ...beforeOption, ...commonOptions },
  async run(program, args) {
    const { store, openLink } = await openSources(program, { toRead: true });
    const page = { limit: readLimit(args), before: args.text("before") };
    let next: string | null = null;
    const videos = showContext(store, args.positionals[0]!, await openLink(), page, ({ videoId }) => {
      next = videoId;
    });
    await printList(program, args, videos, videoColumns, { empty: "no video has, or had, this context" });
    if (next !== null) sayMore(program, args, "videos of this context", `, --before ${harmless(next)} goes on`);
  },
};

const load: Command = {
  name: "contexts import",
  summary: "takes in which video belongs to which videoContext",
  examples: {
    "wochit-relay contexts import mappings.csv": "takes in a table of the time before the relay",
  },
  positionals: "[FILE]",
  options: {
    override: { type: "boolean", help: "make it the newest context, whatever the provider's events said" },
    ...commonOptions,
  },
  help: `FILE (or standard input) holds JSON, one object a line or all in one list, or CSV with a line of names:
  {"videoId": "5f3e…", "context": "page-1"}
  videoId,context
The names of the provider (wochitVideoId, videoContext) work as well. A mapping counts as older than what events said: it
fills what is unknown; else it becomes an earlier context of its video.`,
  async run(program, args) {
    const rows = readMappings(await readInput(program, args.positionals[0]));
    const { store } = await openSources(program);
    const how = { override: args.flag("override") };
    const { imported } = await importContexts(store, rows, program.ports.clock.now, how);
    const contextMissing = await countContextMissing(store);
    const rest = rows.length - imported;
    const known = `${imported} imported, ${rest} known already${rest > 0 ? ", or named otherwise by an event" : ""}\n`;
    const had =
      contextMissing === 0
        ? ""
        : `${formatCount(contextMissing, "event")} had been sent without the context that is known now: events list --context-missing\n`;
    print(program, args, { rows: rows.length, imported, contextMissing }, known + had);
  },
};

export const command: CommandGroup = {
  name: "contexts",
  summary: "which video belongs to what of yours",
  verbs: { show, import: load },
};
