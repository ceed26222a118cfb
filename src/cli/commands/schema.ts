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
    const { configJsonSchema } = await import("../../config/json-schema/build.ts");
    const schema = configJsonSchema();
    print(program, args, schema, `${JSON.stringify(schema, null, 2)}\n`);
  },
};
