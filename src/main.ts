// The program from source; the packed one begins with cli/entry.ts.
import process from "node:process";
// First: it sets the size of the thread pool, which must not have been used yet.
import "./platform/thread-pool.ts";
import { enableCompileCache } from "./platform/compile-cache.ts";

enableCompileCache();
// Imported only now: modules that are loaded after this come from the cache.
void start();

async function start(): Promise<void> {
  // The relay's store loads its program on another processor meanwhile.
  if (process.argv[2] === "serve") (await import("./store/thread/remote.ts")).warmUp();
  await import("./cli/entry.ts");
}
