import process from "node:process";
import type { Command, Context } from "../../src/cli/command.ts";
import { runProgram } from "../../src/cli/run.ts";

/** A program with one command, `x`, that runs the code in $BODY: what main.ts is around any command. */
const body = new Function("context", `return (async ({ stdout }) => { ${process.env.BODY} })(context);`);
const command: Command = {
  name: "x",
  summary: "runs $BODY",
  options: {},
  run: (context: Context) => body(context) as Promise<undefined>,
};

runProgram({ x: async () => ({ command }) });
