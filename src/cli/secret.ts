import { generateSecret } from "../secrets.ts";
import type { Command, CommandGroup } from "./command.ts";

const generate: Command = {
  name: "secret generate",
  summary: "a new secret for an endpoint, as Standard Webhooks libraries take it",
  options: {},
  async run({ stdout, ports }) {
    stdout.write(`${generateSecret(ports.random)}\n`);
    return 0;
  },
};

export const command: CommandGroup = { name: "secret", summary: "secrets of endpoints", verbs: { generate } };
