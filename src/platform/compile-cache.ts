import { realpathSync, statSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";

/**
 * Has Node keep the compiled sources in `node_modules/.cache`: the next start takes two thirds of the time
 * (nodejs.org/api/module.html#module-compile-cache). $NODE_COMPILE_CACHE and $NODE_DISABLE_COMPILE_CACHE of the operator
 * have precedence. Without a writable folder the start is only slower. Deno has a cache of its own.
 */
export function enableCompileCache(): void {
  const { argv, versions, env, getuid } = process;
  if (versions.deno !== undefined || env.NODE_COMPILE_CACHE !== undefined) return;
  const packages = join(dirname(realpathSync(argv[1]!)), "../node_modules");
  const owner = statSync(packages, { throwIfNoEntry: false })?.uid;
  // Files that root leaves in another user's folder make that user's next npm ci fail.
  if (owner === undefined || (getuid?.() === 0 && owner !== 0)) return;
  module.enableCompileCache(join(packages, ".cache/wochit-relay"));
}

/** The environment of a thread, which keeps its compiled sources in the same place. */
export function compileCacheEnvironment(): NodeJS.ProcessEnv {
  const { env } = process;
  // Node appends a folder of its version to the one that it is given.
  const dir = module.getCompileCacheDir?.();
  return dir === undefined ? env : { ...env, NODE_COMPILE_CACHE: dirname(dir) };
}

/** Writes what was compiled since; a thread that is ended later would not. */
export function flushCompileCache(): void {
  module.flushCompileCache?.();
}
