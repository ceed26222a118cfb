import { generateSecret } from "../../config/webhook-secret.ts";
import { type Command, type CommandGroup, jsonOption } from "../command.ts";
import { print } from "../output/print.ts";

const generate: Command = {
  name: "secret generate",
  summary: "a new secret for an endpoint, in the form of Standard Webhooks libraries",
  options: jsonOption,
  async run(program, args) {
    const secret = generateSecret(program.ports.random);
    print(program, args, { secret }, `${secret}\n`);
  },
};

export const command: CommandGroup = { name: "secret", summary: "secrets of endpoints", verbs: { generate } };
