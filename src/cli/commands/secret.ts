import { generateSecret } from "../../config/webhook-secret.ts";
import { type Command, type CommandGroup, jsonOption } from "../command.ts";
import { printJson } from "../output/print.ts";

const generate: Command = {
  name: "secret generate",
  summary: "a new secret for an endpoint, as Standard Webhooks libraries take it",
  options: { ...jsonOption },
  async run({ stdout, ports }, args) {
    const secret = generateSecret(ports.random);
    if (args.flag("json")) printJson(stdout, { secret });
    else stdout.write(`${secret}\n`);
    return 0;
  },
};

export const command: CommandGroup = { name: "secret", summary: "secrets of endpoints", verbs: { generate } };
