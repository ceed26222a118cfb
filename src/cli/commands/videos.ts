import type { VideoJson } from "../../actions/json.ts";
import { forgetVideo, hasCopy, knownVideo, listVideos, showVideo } from "../../actions/videos.ts";
import { RelayError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import { type Command, type CommandGroup, configOption, jsonOption } from "../command.ts";
import { mediumColumns, openLink, section, shortTime, tellCount } from "../output/columns.ts";
import { listOptions, printJson, printList, readLimit, readPage, sayMore, shownOption } from "../output/lists.ts";
import { type Column, renderFields } from "../output/table.ts";
import { harmless } from "../output/terminal-text.ts";

const STATES = ["draft", "ready", "deleted", "failed", "unknown"] as const;

export const videoColumns: Column<VideoJson>[] = [
  { title: "VIDEO", value: ({ videoId }) => videoId, least: 24 },
  {
    title: "STATE",
    value: ({ state, forgottenAt }) => (state === "deleted" && forgottenAt ? "forgotten" : state),
    whole: true,
  },
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
  help: `With --json each has the newest fifty of its contexts and of its media; "videos show" has the others.`,
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
  options: { ...shownOption, ...jsonOption, ...configOption },
  async run(context, args) {
    const config = await context.loadConfig({ secrets: false });
    const store = await context.openStore(config);
    const link = await openLink(store, config, context);
    const { video, more } = await showVideo(store, args.positionals[0]!, link, readLimit(args));
    if (more) sayMore(context, args, "contexts or media");
    if (args.flag("json")) {
      printJson(context.stdout, video);
      return 0;
    }
    const { media, contextHistory, ...fields } = video;
    context.stdout.write(renderFields(Object.entries(fields)));
    section(context, HISTORY, contextHistory);
    section(context, mediumColumns(context.ports.clock.now()), media);
    return 0;
  },
};

const forget: Command = {
  name: "videos forget",
  summary: "erases a video on request: its copies, bodies, titles, contexts",
  positionals: "ID",
  options: {
    yes: { type: "boolean", short: "y", help: "do not ask first" },
    ...jsonOption,
    ...configOption,
  },
  help: `What cannot be undone: bodies, titles, contexts, links and answers of endpoints are gone from the database when the
command ends, and deliveries are canceled (an attempt under way ends first). A video of many events is erased in pieces, so that the relay goes on meanwhile:
nothing of it is sent any longer, and where the command was cut off, the same one goes on with it. The copies are removed by the running relay, or at its next start.
What stays: the ids of the video, its events and media, their types and times, and that they were erased. Backups made
before, and what your apps have received, are not the relay's to erase.`,
  async run(context, args) {
    const { stdout, stderr, ports } = context;
    const videoId = args.positionals[0]!;
    const store = await context.openStore(await context.loadConfig({ secrets: false }));
    if (!args.flag("yes")) {
      const answer = await context.ask(await describeForgetting(store, videoId));
      if (answer === null) throw new RelayError("usage", "this cannot be undone, and nobody can be asked: say --yes");
      if (!/^y(es)?$/i.test(answer.trim())) {
        stderr.write("nothing was erased\n");
        return 1;
      }
    }
    const done = await forgetVideo(store, videoId, ports.clock.now());
    if (args.flag("json")) {
      printJson(stdout, done);
      return 0;
    }
    const { events, media, copies, refused } = done;
    const alsoRefused = refused === 0 ? "" : `, and ${tellCount(refused, "refused body")}`;
    stdout.write(`erased: bodies, titles, contexts and links of ${tellCount(events, "event")} and ${tellCount(media, "medium")}${alsoRefused}
${copies === 0 ? "there was no copy" : `${tellCount(copies, "copy")} to be removed: by the running relay, or at its next start`}
kept: ids, types and times, and that this was erased at ${shortTime(done.forgottenAt)}
`);
    return 0;
  },
};

async function describeForgetting(store: Store, videoId: string): Promise<string> {
  const video = await knownVideo(store, videoId);
  const name = harmless(video?.title == null ? videoId : `${videoId} "${video.title}"`);
  const media = video?.media ?? [];
  return `Erase ${name} with ${tellCount(media.filter(hasCopy).length, "copy")}? This cannot be undone. [y/N] `;
}

const HISTORY: Column<VideoJson["contextHistory"][number]>[] = [
  { title: "SINCE", value: ({ since }) => shortTime(since), whole: true },
  { title: "CONTEXT", value: ({ context }) => context },
];

export const command: CommandGroup = {
  name: "videos",
  summary: "what is known of each video",
  verbs: { list, show, forget },
};
