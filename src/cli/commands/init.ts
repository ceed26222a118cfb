import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { locateConfig } from "../../config/load.ts";
import type { ConfigInput } from "../../config/schema.ts";
import { RelayError } from "../../errors.ts";
import { type Command, configOption, jsonOption } from "../command.ts";
import { answerOptions, draftConfig } from "../init/draft.ts";
import { nameOf, nextSteps, webhookOf } from "../init/next-steps.ts";
import { type NewFile, writeNew } from "../init/write-new.ts";
import { manyOptions } from "../options.ts";
import { print } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";
import { askFirst } from "../program.ts";

export const command: Command = {
  name: "init",
  summary: "asks for what a first config needs, makes its secrets, and writes it",
  examples: {
    "wochit-relay init": "asks, and writes ./config.json and a secret for each app",
    "wochit-relay init --yes --endpoint cms=https://cms.internal/hooks/wochit": "asks nothing",
    "wochit-relay init --yes -e https://cms.internal/hooks --bucket relay-media": "the same, with copies in a bucket",
  },
  options: {
    ...answerOptions,
    yes: { ...manyOptions.yes, help: "ask nothing: what is not given is as by default" },
    ...jsonOption,
    config: { ...configOption.config, help: "the file to write (default: config.json in this folder)" },
  },
  help: `No file is written over. Secrets are files beside the config; only their owner can read them. Ctrl-C at a question
leaves everything as it was. The admin API's token and the secret of media links are made by the relay at its first start.`,
  async run(program, args) {
    const { env, cwd } = program;
    const path = locateConfig(args.text("config"), env, cwd) ?? resolve(cwd, "config.json");
    if (existsSync(path)) {
      const advice = "edit it, or name another with --config";
      throw new RelayError("conflict", `${path} is there already, and init writes over nothing: ${advice}`);
    }
    const { config, secrets } = apart(await draftConfig(program, args, path), dirname(path));
    const files = [...secrets, { path, content: `${JSON.stringify(config, null, 2)}\n` }];
    const names = files.map((file) => nameOf(file.path, program)).join(", ");
    if (!args.flag("yes")) {
      const lines = files.at(-1)!.content.split("\n").map(harmless);
      program.stderr.write(`\n${lines.join("\n")}\n`);
      if (!(await askFirst(program, `${names} would be written`))) return 1;
    }
    await writeNew(files, Buffer.from(program.ports.random.bytes(4)).toString("hex"));
    const { warnings, problems } = await program.inspectConfig(path, { isOutside: true });
    if (problems.length > 0) throw new RelayError("config", problems.map((line) => `${path}: ${line}`).join("\n"));
    const webhook = webhookOf(config, program);
    const lines = [
      `written, readable for you alone: ${names}`,
      ...warnings.map((line) => `warning: ${line}`),
      ...nextSteps({ path, config, webhook }, program),
    ];
    const facts = { config: path, secrets: secrets.map(({ path }) => path), warnings, webhook };
    print(program, args, facts, lines.map((line) => `${harmless(line)}\n`).join(""));
    return 0;
  },
};

/** The config with its secrets in files beside it. */
function apart(draft: ConfigInput, folder: string): { config: ConfigInput; secrets: NewFile[] } {
  const secrets: NewFile[] = [];
  const put = (name: string, content: string) => {
    secrets.push({ path: join(folder, name), content: `${content}\n` });
    return { file: name };
  };
  // In the order of CONTRACT.
  const { dataDir, server, receive, mirror, endpoints, admin } = structuredClone(draft);
  const config = { dataDir, server, receive, mirror, endpoints, admin } as ConfigInput;
  for (const endpoint of config.endpoints ?? [])
    endpoint.secret = put(`${endpoint.id}.secret`, String(endpoint.secret));
  const target = config.mirror?.target;
  if (target && "secretAccessKey" in target && typeof target.secretAccessKey === "string") {
    target.secretAccessKey = put("bucket.key", target.secretAccessKey);
  }
  return { config, secrets };
}
