// First, because it has to be in force before anything uses the threads.
import "../platform/thread-pool.ts";
import { commands } from "./commands/table.ts";
import { runProgram } from "./run.ts";

runProgram(commands);
