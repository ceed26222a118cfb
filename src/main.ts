// First, because it has to be in force before anything uses the threads.
import "./platform/threads.ts";
import { commands } from "./cli/commands.ts";
import { runProgram } from "./cli/run.ts";

runProgram(commands);
