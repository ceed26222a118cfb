// First: it sets the size of the thread pool, which must not have been used yet.
import "../platform/thread-pool.ts";
// The packed program begins here.
import "../platform/early-hangup.ts";
import { commands } from "./commands/table.ts";
import { runProgram } from "./run.ts";

runProgram(commands);
