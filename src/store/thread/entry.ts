// Where a store's thread begins.
import { enableCompileCache } from "../../platform/compile-cache.ts";

enableCompileCache();
// Imported only now: modules that are loaded after this come from the cache.
void import("./server.ts");
