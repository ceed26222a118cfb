import type { VideoJson } from "../operate/json.ts";
import { listVideos, showVideo } from "../operate/videos.ts";
import { type Command, type CommandGroup, configOption, jsonOption } from "./command.ts";
import { listOptions, printJson, printList, readPage } from "./lists.ts";
import { mediumColumns, openLink, section, shortTime } from "./show.ts";
import { type Column, renderFields } from "./table.ts";

const STATES = ["draft", "ready", "deleted", "failed", "unknown"] as const;

export const videoColumns: Column<VideoJson>[] = [
  { title: "VIDEO", value: ({ videoId }) => videoId, least: 24 },
  { title: "STATE", value: ({ state }) => state, whole: true },
  { title: "CONTEXT", value: ({ context }) => context },
  { title: "TITLE", value: ({ title }) => title },
  { title: "MEDIA", value: ({ media }) => media.map(({ kind, state }) => `${kind} ${state}`).join(", ") || null },
  { title: "LAST EVENT", value: ({ lastEventAt }) => shortTime(lastEventAt), whole: true },
];

const list: Command = {
  name: "videos list",
  summary: "the videos, the newest first",
  options: {
    state: { type: "string", short: "s", value: "STATE", help: `only in this state: ${STATES.join(", ")}` },
    context: { type: "string", value: "TEXT", help: "only those that have this videoContext now" },
    ...listOptions,
  },
  async run(context, args) {
    const wish = {
      ...readPage(args, context.ports),
      state: args.word("state", STATES),
      context: args.text("context"),
    };
    const config = await context.loadConfig({ secrets: false });
    const store = await context.openStore(config);
    const link = await openLink(store, config, context);
    await printList(context, args, listVideos(store, wish, link), videoColumns);
    return 0;
  },
};

const show: Command = {
  name: "videos show",
  summary: "one video: its contexts, its media",
  positionals: "ID",
  options: { ...jsonOption, ...configOption },
  async run(context, args) {
    const config = await context.loadConfig({ secrets: false });
    const store = await context.openStore(config);
    const video = await showVideo(store, args.positionals[0]!, await openLink(store, config, context));
    if (args.flag("json")) {
      printJson(context.stdout, video);
      return 0;
    }
    const { media, contextHistory, ...fields } = video;
    context.stdout.write(renderFields(Object.entries(fields)));
    section(context, HISTORY, contextHistory);
    section(context, mediumColumns, media);
    return 0;
  },
};

const HISTORY: Column<VideoJson["contextHistory"][number]>[] = [
  { title: "SINCE", value: ({ since }) => shortTime(since), whole: true },
  { title: "CONTEXT", value: ({ context }) => context },
];

export const command: CommandGroup = {
  name: "videos",
  summary: "what is known of each video",
  verbs: { list, show },
};
