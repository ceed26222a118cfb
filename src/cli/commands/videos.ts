import { checkFilters } from "../../actions/filters/check.ts";
import { formatCount, shortTime } from "../../actions/format.ts";
import type { VideoJson } from "../../actions/json.ts";
import { type Column, collect, type Sources } from "../../actions/list.ts";
import { hasCopy, mediumColumns } from "../../actions/media.ts";
import { endpointOfVideoColumns, undeliveredColumns } from "../../actions/outcome/of-video.ts";
import { forgetVideo, knownVideo, noVideo, showVideo, videos } from "../../actions/videos.ts";
import { RelayError } from "../../errors.ts";
import type { Video } from "../../model/video.ts";
import type { Command, CommandGroup } from "../command.ts";
import { commonOptions, readLimit, showOptions } from "../options.ts";
import { print, printList, printOne, sayMore } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";
import { inZone } from "../output/times.ts";
import { openSources } from "../sources.ts";
import { listCommand } from "../verbs.ts";

const NEXT = '"wochit-relay videos show ID" shows one with its copies';

const list = listCommand(videos, {
  name: "videos list",
  summary: "the videos, the newest first",
  empty: 'no event has come in yet: "wochit-relay doctor" checks the way to the relay',
  next: NEXT,
  examples: {
    "wochit-relay videos list --limit 10": "shows the ten newest",
  },
  help: `With --json each has the newest fifty of its contexts and of its media; "videos show" has the others.`,
});

const historyColumns: Column<VideoJson["contextHistory"][number]>[] = [
  { title: "SINCE", value: ({ since }) => shortTime(since), whole: true },
  { title: "CONTEXT", value: ({ context }) => context },
];

const show: Command = {
  name: "videos show",
  summary: "where a video is, what each app got of it, why not the rest",
  examples: {
    "wochit-relay videos show 5f3e1c0d2b4a69788796a5b4": "shows its contexts, its copies, and what each app got of it",
    'wochit-relay videos show --title "election night"':
      "the same, where one video has this in its title; else lists them",
  },
  positionals: "[ID]",
  options: {
    title: { type: "string", value: "TEXT", help: "the video with this in its title; where it is several, their list" },
    ...showOptions,
  },
  help: `Its contexts, its copies, a line for each app, and what was not delivered with
the reason: what the app answered, and what the delivery waits for. What was
delivered is shown by "deliveries list --video-id ID".`,
  async run(program, args) {
    const [id] = args.positionals;
    const title = args.text("title");
    if ((id === undefined) === (title === undefined))
      throw new RelayError("usage", "name one by its id, or by --title");
    const sources = await openSources(program, { toRead: true });
    const limit = readLimit(args);
    const found = title === undefined ? [] : await findByTitle(sources, title, limit);
    if (found.length > 1) {
      const rows = found.slice(0, limit);
      if (found.length > limit) sayMore(program, args, "videos");
      return printList(program, args, each(rows), videos.columns, { next: NEXT });
    }
    const link = await sources.openLink();
    const { video, more } = await showVideo(sources, id ?? found[0]!.videoId, link, limit);
    if (more) sayMore(program, args, "contexts, media or deliveries");
    printOne(program, args, video, {
      contextHistory: historyColumns,
      media: mediumColumns,
      endpoints: endpointOfVideoColumns,
      undelivered: undeliveredColumns,
    });
  },
};

async function* each<Row>(rows: Row[]): AsyncGenerator<Row> {
  yield* rows;
}

/** The newest videos with this in the title, and one more than `limit` where there are. RelayError("not_found"): there is none. */
async function findByTitle(sources: Sources, title: string, limit: number): Promise<VideoJson[]> {
  await checkFilters(sources, { q: title });
  const found = await collect(videos.rows(sources, { q: title, limit: Math.max(2, limit + 1) }));
  if (found.length === 0) throw new RelayError("not_found", `no video has "${title}" in its title`);
  return found;
}

const forget: Command = {
  name: "videos forget",
  summary: "erases a video on request: its copies, bodies, titles, contexts",
  examples: {
    "wochit-relay videos forget 5f3e1c0d2b4a69788796a5b4": "asks, then erases it",
  },
  positionals: "ID",
  options: {
    yes: { type: "boolean", short: "y", help: "do not ask first" },
    ...commonOptions,
  },
  help: `This cannot be undone. When the command ends, bodies, titles, contexts, links and answers of endpoints are gone from the
database, and deliveries are canceled (an attempt under way ends first). A video of many events is erased in pieces, while the
relay goes on; nothing of the video is sent from the first piece on. After an interruption the same command continues. The
copies are removed by the running relay, or at its next start. So are its events in files of the archive, which are written
anew without it: "audit list --verb 'archive forget'" says when that is done.
These stay: the ids of the video, its events and media, their types and times, and that they were erased. Backups made before,
and what your apps have received, are not erased.`,
  async run(program, args) {
    const videoId = args.positionals[0]!;
    const { store } = await openSources(program);
    if (!args.flag("yes")) {
      const video = await knownVideo(store, videoId);
      const answer = await program.ask(describeForgetting(videoId, video));
      if (answer === null && video === null) throw await noVideo(store, videoId);
      if (answer === null)
        throw new RelayError("usage", "this cannot be undone, and there is no terminal to ask: say --yes");
      if (!/^y(es)?$/i.test(answer.trim())) {
        program.stderr.write("nothing was erased\n");
        return 1;
      }
    }
    const done = await forgetVideo(store, videoId, program.ports.clock.now());
    const { events, media, copies, refused, archiveFiles } = done;
    const alsoRefused = refused === 0 ? "" : `, and ${formatCount(refused, "refused body")}`;
    print(
      program,
      args,
      done,
      inZone(
        `erased: bodies, titles, contexts and links of ${formatCount(events, "event")} and ${formatCount(media, "medium")}${alsoRefused}
${copies === 0 ? "there was no copy" : `${formatCount(copies, "copy")} to be removed: by the running relay, or at its next start`}
${
  archiveFiles === 0
    ? ""
    : `${formatCount(archiveFiles, "file")} of the archive to be written anew without it: by the running relay; the audit says when
`
}kept: ids, types and times, and that this was erased at ${shortTime(done.forgottenAt)}
`,
        program.zone,
      ),
    );
  },
};

function describeForgetting(videoId: string, video: Video | null): string {
  if (video === null) {
    return `No video ${harmless(videoId)} is known. Look through what was refused, and erase what names it? [y/N] `;
  }
  const name = harmless(video.title === null ? videoId : `${videoId} "${video.title}"`);
  return `Erase ${name} with ${formatCount(video.media.filter(hasCopy).length, "copy")}? This cannot be undone. [y/N] `;
}

export const command: CommandGroup = {
  name: "videos",
  summary: "what is known of each video",
  verbs: { list, show, forget },
};
