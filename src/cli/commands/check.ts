import { errorLine } from "../../errors.ts";
import { type Command, configOption, jsonOption } from "../command.ts";
import { printJson } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";

/** Whether the relay would take these files. */
async function judgeTls(files: { cert: string; key: string }): Promise<string[]> {
  const { readTls } = await import("../../platform/http/tls-files.ts");
  try {
    readTls(files);
    return [];
  } catch (error) {
    return [errorLine(error)];
  }
}

export const command: Command = {
  name: "check",
  summary: "validates the config, opens nothing",
  options: { ...jsonOption, ...configOption },
  help: `Prints every problem with its place. Exit code 0 when there is none, else 2. Secrets from systemd's credentials are read where they
can be (as root, while the service runs), and otherwise named in a warning.`,
  async run({ stdout, stderr, ...program }, args) {
    const { config, path, problems, warnings, unseen } = await program.inspectConfig(undefined, { isOutside: true });
    const tls = config?.server.tls;
    if (tls && !unseen.some((place) => place.startsWith("server.tls"))) problems.push(...(await judgeTls(tls)));
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
