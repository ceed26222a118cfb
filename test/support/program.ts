import process from "node:process";
import type { Command } from "../../src/cli/command.ts";
import type { Program } from "../../src/cli/program.ts";
import { runProgram } from "../../src/cli/run.ts";

/** A program with one command, `x`, that runs the code in $BODY: what main.ts is around any command. */
const body = new Function("program", `return (async ({ stdout }) => { ${process.env.BODY} })(program);`);
const command: Command = {
  name: "x",
  summary: "runs $BODY",
  options: {},
  examples: {},
  run: (program: Program) => body(program) as Promise<undefined>,
};

runProgram({ x: async () => ({ command }) });
