import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./root.ts";

/**
 * The Deno that the lock file brings: the platform package's own binary, because the wrapper in `.bin` leaves Deno running
 * when it is stopped. Null where there is none.
 */
export function findDeno(root = ROOT): string | null {
  const packages = join(root, "node_modules", "@deno");
  const found = existsSync(packages) ? readdirSync(packages).map((name) => join(packages, name, "deno")) : [];
  return found.find((path) => existsSync(path)) ?? null;
}

/** The rights that the command in docs/INSTALL.md gives to `deno run`, as its arguments. */
export function readDenoRights(document = readFileSync(join(ROOT, "docs/INSTALL.md"), "utf8")): string[] {
  const rights = /^deno run (--allow-.+) src\/main\.ts serve$/m.exec(document)?.[1];
  if (rights === undefined) throw new Error('docs/INSTALL.md has no line "deno run --allow-… src/main.ts serve"');
  return rights.split(" ");
}
