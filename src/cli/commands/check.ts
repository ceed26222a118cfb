import { resolve } from "node:path";
import { formatCount } from "../../actions/format.ts";
import { errorLine } from "../../errors.ts";
import { type Command, configOption, jsonOption } from "../command.ts";
import { print } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";
import type { Program } from "../program.ts";

export const command: Command = {
  name: "check",
  summary: "validates the config, opens nothing",
  examples: {
    "wochit-relay check": "validates the config that serve would take",
    "wochit-relay check --config new.json && mv new.json config.json": "takes a config only when it is valid",
  },
  options: { ...jsonOption, ...configOption },
  help: `Prints every problem with its place. Exit code 0 when there is none, else 2. Secrets from systemd's credentials are read
where they can be (as root, while the service runs), and otherwise named in a warning.`,
  async run(program, args) {
    const { config, path, problems, warnings, unseen } = await program.inspectConfig(undefined, { isOutside: true });
    const tls = config?.server.tls;
    if (tls && !unseen.some((place) => place.startsWith("server.tls"))) problems.push(...(await judgeTls(tls)));
    if (config !== null && path === null) warnings.unshift(await describeNone(program, config.dataDir));
    const valid = problems.length === 0;
    const name = harmless(path ?? "the defaults");
    const lines = [...problems, ...warnings.map((line) => `warning: ${line}`)].map(harmless);
    if (valid) lines.push(`${name}: valid`);
    print(program, args, { path, valid, problems, warnings }, lines.map((line) => `${line}\n`).join(""));
    if (valid) return;
    if (!args.flag("json")) program.stderr.write(`wochit-relay: ${name}: ${formatCount(problems.length, "problem")}\n`);
    return 2;
  },
};

/** Where a config file was looked for, and what holds without one. */
async function describeNone({ cwd, runningOn }: Program, dataDir: string): Promise<string> {
  const looked = `$WOCHIT_RELAY_CONFIG is not set, and neither ${resolve(cwd, "config.json")} nor /etc/wochit-relay/config.json is there`;
  const started = (await runningOn(dataDir))?.config ?? null;
  const then =
    started === null
      ? 'the defaults hold, and send events to no app; "wochit-relay init" writes a config'
      : `the relay that runs with ${dataDir} was started with ${started}`;
  return `no config file was found: ${looked}; ${then}`;
}

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
