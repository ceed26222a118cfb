// The program from source; the packed one begins with cli/entry.ts.
import { keepCompiled } from "./platform/compiled.ts";

keepCompiled();
// Imported only now: modules that are loaded after keepCompiled() come from the cache.
void import("./cli/entry.ts");
