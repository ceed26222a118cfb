import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { countContextMissing, importContexts, showContext } from "../../actions/videos.ts";
import { errorLine, RelayError } from "../../errors.ts";
import { type Command, type CommandGroup, configOption, jsonOption } from "../command.ts";
import { openLink, tellCount } from "../output/columns.ts";
import { limitOption, printJson, printList, readLimit, sayMore } from "../output/lists.ts";
import { harmless } from "../output/terminal-text.ts";
import { readMappings } from "../read-mappings.ts";
import { videoColumns } from "./videos.ts";

const show: Command = {
  name: "contexts show",
  summary: "the videos that have, or once had, a videoContext",
  positionals: "CONTEXT",
  options: {
    limit: limitOption,
    before: { type: "string", value: "ID", help: "go on after this video of an earlier list" },
    ...jsonOption,
    ...configOption,
  },
  async run(context, args) {
    const config = await context.loadConfig({ secrets: false });
    const store = await context.openStore(config);
    const link = await openLink(store, config, context);
    const page = { limit: readLimit(args), before: args.text("before") };
    let next: string | null = null;
    const videos = showContext(store, args.positionals[0]!, link, page, ({ videoId }) => {
      next = videoId;
    });
    await printList(context, args, videos, videoColumns);
    if (next !== null) sayMore(context, args, "videos of this context", `, --before ${harmless(next)} goes on`);
    return 0;
  },
};

const load: Command = {
  name: "contexts import",
  summary: "takes in which video belongs to which videoContext",
  positionals: "[FILE]",
  options: {
    override: { type: "boolean", help: "the newest, whatever the provider's events said" },
    ...jsonOption,
    ...configOption,
  },
  help: `FILE (or standard input) holds JSON, one object a line or all in one list, or CSV with a line of names:
  {"videoId": "5f3e…", "context": "page-1"}
  videoId,context
The names of the provider (wochitVideoId, videoContext) do as well. A mapping counts as older than what events said: it fills
what is unknown, and is else remembered as an earlier context.`,
  async run(context, args) {
    const [file] = args.positionals;
    const config = await context.loadConfig({ secrets: false });
    const rows = readMappings(
      file === undefined || file === "-" ? await context.stdin() : await readBytes(resolve(context.cwd, file)),
    );
    const store = await context.openStore(config);
    const { imported } = await importContexts(store, rows, context.ports.clock.now, {
      override: args.flag("override"),
    });
    const contextMissing = await countContextMissing(store);
    if (args.flag("json")) printJson(context.stdout, { rows: rows.length, imported, contextMissing });
    else {
      const rest = rows.length - imported;
      context.stdout.write(
        `${imported} imported, ${rest} known already${rest > 0 ? ", or named otherwise by an event" : ""}\n`,
      );
      if (contextMissing > 0) {
        context.stdout.write(
          `${tellCount(contextMissing, "event")} had been sent without the context that is known now: events list --context-missing\n`,
        );
      }
    }
    return 0;
  },
};

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new RelayError("usage", `cannot read ${path}: ${errorLine(error)}`);
  }
}

export const command: CommandGroup = {
  name: "contexts",
  summary: "which video belongs to what of yours",
  verbs: { show, import: load },
};
