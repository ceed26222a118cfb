import process from "node:process";

/**
 * A SIGHUP ends a process that does not listen to it, and `systemctl reload` may come while the modules of `serve` are still
 * loaded. So this module is imported before all others. The config is read after them: nothing is lost. Other commands keep
 * the default: they end with their terminal.
 */
const [, , command] = process.argv;
if (command === undefined || command === "serve" || command.startsWith("-")) process.on("SIGHUP", () => {});
