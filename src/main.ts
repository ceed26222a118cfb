// The program from source; the packed one begins with cli/entry.ts.
import "./platform/early-hangup.ts";
import { enableCompileCache } from "./platform/compile-cache.ts";

enableCompileCache();
// Imported only now: modules that are loaded after this come from the cache.
void import("./cli/entry.ts");
