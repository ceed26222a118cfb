import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";

/**
 * What a folder of src may import besides itself, `ports.ts`, `errors.ts` and `option-values.ts` (ARCHITECTURE, "What may
 * import what"). A folder comes after all that it imports, so that data flows one way; receive, mirror, forward and backup
 * never import each other.
 */
const MAY_IMPORT: Record<string, string[]> = {
  model: [],
  platform: [],
  simulator: ["platform"],
  wochit: ["model"],
  rules: ["model", "wochit"],
  links: ["model", "platform"],
  message: ["model", "rules", "wochit"],
  targets: ["model", "rules", "platform"],
  config: ["model", "rules", "platform", "targets"],
  store: ["model", "rules", "wochit", "platform", "targets", "config"],
  jobs: ["model", "platform", "store"],
  metrics: ["model", "platform", "config", "store"],
  receive: ["model", "rules", "wochit", "platform", "config", "store"],
  mirror: ["model", "rules", "wochit", "links", "platform", "targets", "config", "store", "jobs"],
  forward: ["model", "rules", "wochit", "message", "platform", "config", "store", "jobs"],
  backup: ["platform", "targets", "config", "store"],
  archive: ["model", "platform", "targets", "store"],
  actions: ["model", "rules", "wochit", "links", "message", "platform", "targets", "config", "store"],
  alerts: ["model", "rules", "message", "platform", "config", "store", "actions"],
  doctor: ["model", "wochit", "platform", "targets", "config", "store", "backup", "actions"],
  admin: ["model", "rules", "wochit", "platform", "config", "store", "actions"],
  dashboard: ["model", "rules", "wochit", "platform", "config", "store", "actions", "admin"],
  upkeep: ["model", "rules", "platform", "store"],
  relay: [
    ...["model", "rules", "links", "platform", "targets", "config", "store", "jobs"],
    ...["receive", "mirror", "forward", "backup", "archive", "upkeep", "metrics", "actions", "admin", "dashboard"],
  ],
  cli: [
    ...["model", "rules", "wochit", "links", "platform", "targets", "config", "store", "jobs", "receive", "mirror"],
    ...["forward", "backup", "archive", "actions", "alerts", "doctor", "admin", "simulator"],
  ],
};

/** Files at the root that tie everything together; only the command line imports them. */
const ROOTS = new Set(["src/relay.ts", "src/main.ts"]);

/** Where time, chance and the process are touched (ARCHITECTURE rule 10). */
const RUNTIME = ["runtime", "thread-pool", "compile-cache", "early-hangup"].map((name) => `src/platform/${name}.ts`);

/** A folder is read at a glance. */
const MOST_FILES = 16;

/** Commands are found by their names, one file each. */
const MOST_COMMANDS = 32;

const files = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => join("src", name));

const imports = new Map(files.map((file) => [file, importsOf(file)]));

/** Types and modules that are loaded later, too. */
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

test("folders import only what the map allows, and receive, mirror, forward and backup never each other", () => {
  const wrong = files.flatMap((file) => {
    const folder = folderOf(file);
    if (folder === null) return [];
    assert.ok(MAY_IMPORT[folder], `${file}: a new folder needs a line in this test`);
    return imports.get(file)!.flatMap((target) => {
      const to = folderOf(target);
      if (to === null) return ROOTS.has(target) && folder !== "cli" ? [`${file} imports ${target}`] : [];
      return to === folder || MAY_IMPORT[folder]!.includes(to) ? [] : [`${file} imports ${target}`];
    });
  });
  assert.deepEqual(wrong, []);
});

test("no file imports itself by way of others", () => {
  const state = new Map<string, "open" | "done">();
  const circles: string[] = [];
  const visit = (file: string, path: string[]) => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
      return;
    }
    state.set(file, "open");
    for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
    state.set(file, "done");
  };
  for (const file of files) visit(file, []);
  assert.deepEqual(circles, []);
});

test("a folder is read at a glance", () => {
  const counts = new Map<string, number>();
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  const most = (folder: string) => (folder === "src/cli/commands" ? MOST_COMMANDS : MOST_FILES);
  assert.deepEqual(
    [...counts].filter(([folder, count]) => count > most(folder)),
    [],
  );
});

test("only an engine's folder knows its driver", () => {
  for (const [driver, folder] of [
    ["better-sqlite3", "src/store/sqlite/"],
    ["pg", "src/store/postgres/wire/"],
  ]) {
    const users = files.filter((file) => readFileSync(file, "utf8").includes(`from "${driver}"`));
    assert.deepEqual(
      users.filter((file) => !file.startsWith(folder!)),
      [],
    );
    assert.ok(users.length > 0);
  }
});

test("a type of target is known in its folder and in the table alone, and a bucket's client is loaded with its target", () => {
  const inside = (file: string) => file.startsWith("src/targets/");
  const asks = files.filter(
    (file) => !inside(file) && /\btype\b\)? [!=]== "(local|s3)"/.test(readFileSync(file, "utf8")),
  );
  assert.deepEqual(asks, []);
  const reachers = files.filter(
    (file) => !inside(file) && imports.get(file)!.some((target) => /^src\/targets\/\w+\//.test(target)),
  );
  assert.deepEqual(reachers, []);
  const loaded = new Set<string>();
  const load = (file: string) => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const [, path] of readFileSync(file, "utf8").matchAll(/^(?:import (?!type )|\} from ).*"(\.[^"]+)"/gm))
      load(normalize(join(dirname(file), path!)));
  };
  load("src/targets/table.ts");
  assert.deepEqual(
    [...loaded].filter((file) => /from "@aws-sdk/.test(readFileSync(file, "utf8"))),
    [],
  );
});

test("the rules of the store know no engine", () => {
  const wrong = files.flatMap((file) =>
    file.startsWith("src/store/core/")
      ? imports
          .get(file)!
          .filter((target) => /^src\/store\/(sqlite|postgres|thread)\//.test(target))
          .map((target) => `${file} imports ${target}`)
      : [],
  );
  assert.deepEqual(wrong, []);
});

test("no statement of the rules is written for one engine alone", () => {
  const words = /\b(INDEXED BY|instr\(|iif\(|INSERT OR |unixepoch\(|json_each\()|WHERE \+/;
  const wrong = files.filter((file) => file.startsWith("src/store/core/") && words.test(readFileSync(file, "utf8")));
  assert.deepEqual(wrong, []);
});

test("time, chance and the process are touched in one place", () => {
  const touch =
    /\bDate\.now\(|\bMath\.random\(|\bnew Date\(\)|(?<!socket\.)\bset(Timeout|Interval)\(|\bprocess\.(env|argv|exit|on)\b/;
  const wrong = files.filter((file) => !RUNTIME.includes(file) && touch.test(readFileSync(file, "utf8")));
  assert.deepEqual(wrong, []);
});

test("nothing stands in the way of one CommonJS bundle", () => {
  // A thread's program is a part of the bundle (scripts/bundle.ts), and is found by its name there.
  const program = /\bstartThread\("\w+", \(\) => new URL\("[^"]+", import\.meta\.url\), \w+\)/g;
  // So are the files of the pages: the build replaces the module that reads them.
  const others = files.filter((file) => file !== "src/dashboard/assets/files.ts");
  const textOf = (file: string) => readFileSync(file, "utf8").replace(program, "");
  const wrong = others.filter((file) => /\bimport\.meta\b|^await /m.test(textOf(file)));
  assert.deepEqual(wrong, []);
});

test("pages write markup that is trusted in their parts alone, and read the store through actions", () => {
  const pages = files.filter((file) => file.startsWith("src/dashboard/"));
  assert.ok(pages.length > 0);
  const trusting = (file: string) =>
    /from "hono\/html"|import \{[^}]*\braw\b[^}]*\} from|[iI]nnerHTML/.test(readFileSync(file, "utf8"));
  assert.deepEqual(
    pages.filter((file) => trusting(file) && !file.startsWith("src/dashboard/parts/")),
    [],
  );
  const deep = pages.filter((file) =>
    imports.get(file)!.some((target) => /^src\/store\/(core|sqlite|thread)\//.test(target)),
  );
  assert.deepEqual(deep, []);
  const long = pages.filter(
    (file) => file.startsWith("src/dashboard/pages/") && readFileSync(file, "utf8").split("\n").length > 150,
  );
  assert.deepEqual(long, []);
});

test("no file outgrows a reader's eye", () => {
  const long = files.filter((file) => readFileSync(file, "utf8").split("\n").length > 300);
  assert.deepEqual(long, []);
});
