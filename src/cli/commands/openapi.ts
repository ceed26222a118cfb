import { type Command, jsonOption } from "../command.ts";
import { print } from "../output/print.ts";

export const command: Command = {
  name: "openapi",
  summary: "the OpenAPI document of the admin API, for clients and tools",
  options: jsonOption,
  help: "The running relay answers the same at /openapi.json of its admin listener.",
  examples: {
    "wochit-relay openapi > openapi.json": "makes the file that generators of clients read",
  },
  async run(program, args) {
    const { describeApi } = await import("../../admin/document.ts");
    const document = describeApi(null);
    print(program, args, document, `${JSON.stringify(document, null, 2)}\n`);
  },
};
