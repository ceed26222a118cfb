import { commands } from "./cli/commands.ts";
import { runProgram } from "./cli/run.ts";

runProgram(commands);
