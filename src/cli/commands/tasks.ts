import { cancelTask, showTask, tasks } from "../../actions/tasks.ts";
import type { Command, CommandGroup } from "../command.ts";
import { commonOptions } from "../options.ts";
import { print, printOne } from "../output/print.ts";
import { openSources } from "../sources.ts";
import { listCommand } from "../verbs.ts";

const list = listCommand(tasks, {
  name: "tasks list",
  summary: "what is, or was, done to many at once, newest first",
  empty: "nothing was asked for many at once yet",
  next: '"wochit-relay tasks show ID" shows how far one is',
  examples: {
    "wochit-relay tasks list": "shows the newest",
  },
});

const show: Command = {
  name: "tasks show",
  summary: "one task, and how far it is",
  examples: {
    "wochit-relay tasks show tsk_1k800hr143c5p2qa1": "shows how far one is",
  },
  positionals: "ID",
  options: commonOptions,
  async run(program, args) {
    const { store } = await openSources(program, { toRead: true });
    const { filter, ...task } = await showTask(store, args.positionals[0]!);
    const shown = args.flag("json") ? { ...task, filter } : { ...task, filter: JSON.stringify(filter) };
    printOne(program, args, shown);
  },
};

const cancel: Command = {
  name: "tasks cancel",
  summary: "ends a task where it is; what was done stays",
  examples: {
    "wochit-relay tasks cancel tsk_1k800hr143c5p2qa1": "ends one",
  },
  positionals: "ID",
  options: commonOptions,
  async run(program, args) {
    const { store } = await openSources(program);
    const task = await cancelTask(store, args.positionals[0]!, program.ports.clock.now());
    print(program, args, task, `${task.id} is canceled: ${task.done} of ${task.total ?? "its deliveries"} were done\n`);
  },
};

export const command: CommandGroup = {
  name: "tasks",
  summary: "what was asked for many at once: retries, replays, cancels",
  verbs: { list, show, cancel },
};
