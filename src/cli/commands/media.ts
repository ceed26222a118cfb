import { listMedia, retryMedia, retryMedium } from "../../actions/media.ts";
import { RelayError } from "../../errors.ts";
import { type Command, type CommandGroup, configOption, jsonOption } from "../command.ts";
import { mediumColumns, openLink } from "../output/columns.ts";
import { listOptions, printJson, printList, printMany, rangeOptions, readPage, readRange } from "../output/lists.ts";
import { verify } from "./media-verify.ts";

const STATES = ["pending", "running", "mirrored", "failed", "expired", "skipped", "superseded", "deleted"] as const;
const RETRIED = ["pending", "failed", "expired", "skipped"] as const;
const KINDS = ["video", "thumbnail"] as const;
const ORDERS = ["deadline"] as const;

const filterOptions = {
  "video-id": { type: "string", value: "ID", help: "only of this video" },
  kind: { type: "string", value: "KIND", help: `only of this kind: ${KINDS.join(", ")}` },
} as const;

const list: Command = {
  name: "media list",
  summary: "the videos' files: where they are, or why not, newest first",
  options: {
    state: { type: "string", short: "s", value: "STATE", help: `only in this state: ${STATES.join(", ")}` },
    ...filterOptions,
    by: {
      type: "string",
      value: "ORDER",
      help: '"deadline": only what is not secured yet, the nearest deadline first',
    },
    ...listOptions,
  },
  async run(context, args) {
    const wish = {
      ...readPage(args, context.ports),
      state: args.word("state", STATES),
      videoId: args.text("video-id"),
      kind: args.word("kind", KINDS),
      byDeadline: args.word("by", ORDERS) === "deadline",
    };
    const config = await context.loadConfig({ secrets: false });
    const store = await context.openStore(config);
    const link = await openLink(store, config, context);
    const columns = mediumColumns(context.ports.clock.now());
    await printList(context, args, listMedia(store, wish, link), columns);
    return 0;
  },
};

const retry: Command = {
  name: "media retry",
  summary: "downloads a medium again",
  positionals: "[ID]",
  options: {
    state: { type: "string", short: "s", value: "STATE", help: `all in this state: ${RETRIED.join(", ")}` },
    ...filterOptions,
    ...rangeOptions,
    ...jsonOption,
    ...configOption,
  },
  help: `Either one medium, or all in a state:
  wochit-relay media retry --state failed --since 1d
A mirrored one whose copy is gone or damaged is the business of "media verify --mend".`,
  async run(context, args) {
    const { clock } = context.ports;
    const [id] = args.positionals;
    const state = args.word("state", RETRIED);
    const filter = {
      videoId: args.text("video-id"),
      kind: args.word("kind", KINDS),
      ...readRange(args, context.ports),
    };
    if (id === undefined && state === undefined) throw new RelayError("usage", "name a medium, or a --state");
    if (id !== undefined && [state, ...Object.values(filter)].some((value) => value !== undefined)) {
      throw new RelayError("usage", "name a medium, or what all of them have in common, not both");
    }
    const config = await context.loadConfig({ secrets: false });
    const store = await context.openStore(config);
    if (id === undefined) {
      return printMany(context, args, retryMedia(store, { ...filter, state }, clock.now), {
        done: "queued for download",
        describe: (row) => row.id,
        error: ({ error }) => error,
      });
    }
    const medium = await retryMedium(store, id, await openLink(store, config, context), clock.now());
    if (args.flag("json")) printJson(context.stdout, medium);
    else context.stdout.write(`${id} queued for download\n`);
    return 0;
  },
};

export const command: CommandGroup = {
  name: "media",
  summary: "the copies of videos and thumbnails",
  verbs: { list, verify, retry },
};
