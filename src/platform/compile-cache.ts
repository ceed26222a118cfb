import { realpathSync, statSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";

/**
 * Lets Node keep what it makes of the sources (types taken away, compiled) in `node_modules/.cache` for the next start, which
 * then takes two thirds of the time (nodejs.org/api/module.html#module-compile-cache). An operator's $NODE_COMPILE_CACHE and
 * $NODE_DISABLE_COMPILE_CACHE stand. Where nothing can be kept, nothing is said: it is only slower. Deno keeps its own.
 */
export function enableCompileCache(): void {
  const { argv, versions, env, getuid } = process;
  if (versions.deno !== undefined || env.NODE_COMPILE_CACHE !== undefined) return;
  const packages = join(dirname(realpathSync(argv[1]!)), "../node_modules");
  const owner = statSync(packages, { throwIfNoEntry: false })?.uid;
  // What root leaves in another user's folder stands in the way of that user's next npm ci.
  if (owner === undefined || (getuid?.() === 0 && owner !== 0)) return;
  module.enableCompileCache(join(packages, ".cache/wochit-relay"));
}
