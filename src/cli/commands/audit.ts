import { audit } from "../../actions/audit.ts";
import type { CommandGroup } from "../command.ts";
import { listCommand } from "../verbs.ts";

const list = listCommand(audit, {
  name: "audit list",
  summary: "who changed what, by a command or the API, newest first",
  help: "What reads only is not in it. A task has one entry, with its count; `tasks show ID` says how it went.",
  empty: "nothing was changed by a command or the API yet",
  examples: {
    "wochit-relay audit list --since 1d": "shows what was done since yesterday",
    'wochit-relay audit list --verb "endpoints pause"': "shows who paused an endpoint",
  },
});

export const command: CommandGroup = {
  name: "audit",
  summary: "who changed what",
  verbs: { list },
};
