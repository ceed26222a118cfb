import { type Command, configOption, jsonOption } from "./command.ts";
import { harmless } from "./harmless.ts";
import { printJson } from "./lists.ts";

export const command: Command = {
  name: "check",
  summary: "validates the config, opens nothing",
  options: { ...jsonOption, ...configOption },
  help: `Prints every problem with its place. Exit code 0 when there is none, else 2. Secrets from systemd's credentials are read where they
can be (as root, while the service runs), and otherwise named in a warning.`,
  async run({ stdout, stderr, ...context }, args) {
    const { path, problems, warnings } = await context.inspectConfig(undefined, { isOutside: true });
    const code = problems.length === 0 ? 0 : 2;
    if (args.flag("json")) {
      printJson(stdout, { path, valid: code === 0, problems, warnings });
      return code;
    }
    const name = path ?? "no config file, the defaults";
    for (const line of problems) stdout.write(`${harmless(line)}\n`);
    for (const line of warnings) stdout.write(`warning: ${harmless(line)}\n`);
    if (code === 0) stdout.write(`${harmless(name)}: valid\n`);
    else
      stderr.write(`wochit-relay: ${harmless(name)}: ${problems.length} problem${problems.length === 1 ? "" : "s"}\n`);
    return code;
  },
};
