import { configSchema } from "../config.ts";
import type { Command } from "./command.ts";

export const command: Command = {
  name: "schema",
  summary: "the JSON Schema of the config file, for editors",
  options: {},
  help: 'wochit-relay schema > config.schema.json, and {"$schema": "./config.schema.json", …} in the config',
  async run({ stdout }) {
    const { toJsonSchema } = await import("@valibot/to-json-schema");
    // What no schema language can say (a check with code of its own) is left out of it; "check" says it.
    const schema = toJsonSchema(configSchema, { typeMode: "input", errorMode: "ignore" });
    stdout.write(`${JSON.stringify({ title: "wochit-relay config", ...schema }, null, 2)}\n`);
    return 0;
  },
};
