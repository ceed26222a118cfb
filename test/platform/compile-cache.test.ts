import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { tempFolder } from "../support/folder.ts";

const COMPILED = pathToFileURL(join(import.meta.dirname, "../../src/platform/compile-cache.ts")).href;
const isDeno = "Deno" in globalThis;

/** A checkout whose program only tells where its compiled sources are kept. */
function checkout(t: Parameters<typeof tempFolder>[0]) {
  const dir = tempFolder(t);
  const main = join(dir, "src/main.ts");
  mkdirSync(join(dir, "src"));
  mkdirSync(join(dir, "node_modules"));
  writeFileSync(
    main,
    `import module from "node:module";
     import { enableCompileCache } from "${COMPILED}";
     enableCompileCache();
     console.log(module.getCompileCacheDir?.() ?? "none");`,
  );
  const run = (path = main, more: Record<string, string> = {}) => {
    const { NODE_COMPILE_CACHE: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
    const args = [...(isDeno ? ["run", "-A", "--no-check"] : []), path];
    const { stdout, stderr } = spawnSync(process.execPath, args, { env: { ...env, ...more }, encoding: "utf8" });
    assert.equal(stderr, "");
    return stdout.trim();
  };
  return { dir, packages: join(dir, "node_modules"), run };
}

test("from source, Node keeps what it compiled beside the packages, also when started through a link", (t) => {
  const { dir, packages, run } = checkout(t);
  const kept = join(packages, ".cache/wochit-relay");
  symlinkSync(join(dir, "src/main.ts"), join(dir, "relay.ts"));
  if (isDeno) {
    assert.deepEqual([run(), existsSync(kept)], ["none", false]);
    return;
  }
  assert.ok(run().startsWith(kept));
  assert.ok(run(join(dir, "relay.ts")).startsWith(kept));
  assert.equal(run(undefined, { NODE_DISABLE_COMPILE_CACHE: "1" }), "none");
  assert.ok(run(undefined, { NODE_COMPILE_CACHE: join(dir, "elsewhere") }).startsWith(join(dir, "elsewhere")));
});

test("nothing is left in another user's packages, or where there are none", (t) => {
  const { packages, run } = checkout(t);
  const other = process.getuid?.() === 0 ? 12345 : null;
  // Only root can give a folder away, and only root is kept from writing there.
  if (other !== null) {
    chownSync(packages, other, other);
    assert.equal(run(), "none");
    assert.equal(existsSync(join(packages, ".cache")), false);
  }
  const without = checkout(t);
  spawnSync("rm", ["-r", without.packages]);
  assert.equal(without.run(), "none");
  assert.equal(existsSync(without.packages), false);
});
