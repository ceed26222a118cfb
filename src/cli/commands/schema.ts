import { configSchema } from "../../config/schema.ts";
import { type Command, jsonOption } from "../command.ts";
import { printJson } from "../output/print.ts";

export const command: Command = {
  name: "schema",
  summary: "the JSON Schema of the config file, for editors",
  options: { ...jsonOption },
  help: 'wochit-relay schema > config.schema.json, and {"$schema": "./config.schema.json", …} in the config',
  async run({ stdout }, args) {
    const { toJsonSchema } = await import("@valibot/to-json-schema");
    // What no schema language can say (a check with code of its own) is left out of it; "check" says it.
    const options = toJsonSchema(configSchema, { typeMode: "input", errorMode: "ignore" });
    const schema = { title: "wochit-relay config", ...options };
    if (args.flag("json")) printJson(stdout, schema);
    else stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
    return 0;
  },
};
