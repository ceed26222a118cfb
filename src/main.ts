// The program from source; what is packed begins with cli/program.ts.
import { enableCompileCache } from "./platform/compile-cache.ts";

enableCompileCache();
// Not before: what is loaded from now on may have been compiled already.
void import("./cli/program.ts");
