import { configSchema } from "../../config/schema.ts";
import { type Command, jsonOption } from "../command.ts";
import { print } from "../output/print.ts";

export const command: Command = {
  name: "schema",
  summary: "the JSON Schema of the config file, for editors",
  examples: {
    "wochit-relay schema > config.schema.json": 'makes the file that "$schema" in the config can name',
  },
  options: jsonOption,
  async run(program, args) {
    const { toJsonSchema } = await import("@valibot/to-json-schema");
    // Checks that JSON Schema cannot express are left out; "check" makes them.
    const options = toJsonSchema(configSchema, { typeMode: "input", errorMode: "ignore" });
    const schema = { title: "wochit-relay config", ...options };
    print(program, args, schema, `${JSON.stringify(schema, null, 2)}\n`);
  },
};
