import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";

/** What a folder of src may import besides itself and the files at the root (ARCHITECTURE, "What may import what"). */
const MAY_IMPORT: Record<string, string[]> = {
  platform: [],
  simulator: ["platform"],
  config: ["platform"],
  store: ["platform"],
  jobs: ["store"],
  receive: ["platform", "store"],
  mirror: ["platform", "store", "jobs"],
  forward: ["platform", "store", "jobs"],
  operate: ["platform", "store"],
  relay: ["platform", "store", "jobs", "receive", "mirror", "forward", "operate"],
  cli: ["platform", "store", "jobs", "receive", "mirror", "forward", "operate", "simulator", "config"],
};

/** Root files that tie everything together; nobody imports them but the command line. */
const ROOTS = new Set(["src/relay.ts", "src/main.ts"]);

/** Where time, chance and the process are touched (ARCHITECTURE rule 10). */
const RUNTIME = ["runtime", "threads", "compiled"].map((name) => `src/platform/${name}.ts`);

const files = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => join("src", name));

function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].map(([, path]) =>
    normalize(join(dirname(file), path!)),
  );
}

function folderOf(file: string): string | null {
  const parts = file.split("/");
  return parts.length > 2 ? parts[1]! : null;
}

test("folders import only what the map allows, and receive, mirror, forward and operate never each other", () => {
  const wrong = files.flatMap((file) => {
    const folder = folderOf(file);
    if (folder === null) return [];
    assert.ok(MAY_IMPORT[folder], `${file}: a new folder needs a line in this test`);
    return importsOf(file).flatMap((target) => {
      const to = folderOf(target);
      if (to === null) return ROOTS.has(target) && folder !== "cli" ? [`${file} imports ${target}`] : [];
      return to === folder || MAY_IMPORT[folder]!.includes(to) ? [] : [`${file} imports ${target}`];
    });
  });
  assert.deepEqual(wrong, []);
});

test("only the store's engine knows SQL, and only the SQLite folder its driver", () => {
  const driver = files.filter((file) => /from "better-sqlite3"/.test(readFileSync(file, "utf8")));
  assert.deepEqual(
    driver.filter((file) => !file.startsWith("src/store/sqlite/")),
    [],
  );
  assert.ok(driver.length > 0);
});

test("time, chance and the process are touched in one place", () => {
  const touch =
    /\bDate\.now\(|\bMath\.random\(|\bnew Date\(\)|(?<!socket\.)\bset(Timeout|Interval)\(|\bprocess\.(env|argv|exit|on)\b/;
  const wrong = files.filter((file) => !RUNTIME.includes(file) && touch.test(readFileSync(file, "utf8")));
  assert.deepEqual(wrong, []);
});

test("nothing stands in the way of one CommonJS bundle", () => {
  const wrong = files.filter((file) => /\bimport\.meta\b|^await /m.test(readFileSync(file, "utf8")));
  assert.deepEqual(wrong, []);
});

test("no file outgrows a reader's eye", () => {
  const long = files.filter((file) => readFileSync(file, "utf8").split("\n").length > 300);
  assert.deepEqual(long, []);
});
