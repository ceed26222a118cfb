import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { type Page, readPage } from "./support/markdown.ts";

const PAGES = [
  ...readdirSync(".").filter((name) => name.endsWith(".md")),
  ...["docs", "test", "scripts"].flatMap((folder) => filesIn(folder, /\.md$/)),
];
const pages = new Map(PAGES.map((path) => [path, readPage(readFileSync(path, "utf8"))]));

/** The pages that comments cite by their name alone. */
const CITED = new Map(
  PAGES.filter((path) => ["docs", "."].includes(dirname(path))).map((path) => [basename(path, ".md"), path]),
);

/** Files whose comments, help and messages cite pages. */
const SOURCES = ["src", "test", "scripts"].flatMap((folder) => filesIn(folder, /\.(ts|c|sh|pl|service|socket)$/));

/** What is installed below a folder (scripts/bench/peers) is not ours. */
function filesIn(folder: string, name: RegExp): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => name.test(path) && !path.includes("node_modules"))
    .map((path) => join(folder, path));
}

/** The text with its comments on one line, so that a citation may go over the end of a line. */
function textOf(file: string): string {
  return readFileSync(file, "utf8").replace(/\n[ \t]*(?:\*(?!\/)|\/\/|#)?[ \t]*/g, " ");
}

/** What is wrong with a link; null: nothing. Only files and headings of this repository are looked up. */
function linkProblem(page: string, target: string): string | null {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return null;
  const [path = "", anchor] = target.split("#", 2);
  const file = path === "" ? page : normalize(join(dirname(page), decodeURIComponent(path)));
  if (path.startsWith("/") || file.startsWith("..")) return "leads out of the repository";
  if (!existsSync(file)) return "leads to no file";
  if (anchor === undefined) return null;
  const led: Page | undefined = pages.get(file);
  if (led === undefined) return "has an anchor, and leads to no page";
  return led.anchors.has(decodeURIComponent(anchor)) ? null : `${file} has no such heading`;
}

test("every link between documents, and to a file, resolves", () => {
  const wrong = [...pages].flatMap(([page, { links }]) =>
    links.flatMap(({ line, target }) => {
      const problem = linkProblem(page, target);
      return problem === null ? [] : [`${page}:${line}: ${target} ${problem}`];
    }),
  );
  assert.deepEqual(wrong, []);
  assert.ok([...pages.values()].some(({ links }) => links.length > 3));
});

test("the documents that comments cite by name are there", () => {
  const missing = ["ARCHITECTURE", "CONTRACT", "PROVIDER", "MODELS", "README"].filter((name) => !CITED.has(name));
  assert.deepEqual(missing, []);
});

test("every heading that a comment cites is in its document", () => {
  const names = [...CITED.keys()].join("|");
  const citation = new RegExp(`\\b(${names})(?:\\.md)?(?:'s|,|:)? \\(?("[^"]+"(?:(?:,| and|, and) "[^"]+")*)`, "g");
  let cited = 0;
  const wrong = SOURCES.flatMap((file) =>
    [...textOf(file).matchAll(citation)].flatMap(([, name, headings]) => {
      const page = CITED.get(name!)!;
      return [...headings!.matchAll(/"([^"]+)"/g)].flatMap(([, heading]) => {
        cited++;
        return pages.get(page)!.headings.includes(heading!) ? [] : [`${file}: ${page} has no heading "${heading}"`];
      });
    }),
  );
  assert.deepEqual(wrong, []);
  assert.ok(cited > 30, `only ${cited} citations were found`);
});

test("every rule that a comment cites is one of ARCHITECTURE's twelve", () => {
  const rules = pages
    .get("docs/ARCHITECTURE.md")!
    .headings.flatMap((heading) => /^Rule (\d+)\. /.exec(heading)?.[1] ?? []);
  assert.deepEqual(rules.map(Number), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const wrong = SOURCES.flatMap((file) =>
    [...textOf(file).matchAll(/\b([A-Z]{4,}) rule (\d+)/g)]
      .filter(([, name, rule]) => name !== "ARCHITECTURE" || !rules.includes(rule!))
      .map(([found]) => `${file}: ${found}`),
  );
  assert.deepEqual(wrong, []);
});

test("every document that the source names exists", () => {
  const wrong = SOURCES.flatMap((file) =>
    [...textOf(file).matchAll(/(?<![\w/])docs\/[\w/.-]+\.md\b/g)]
      .filter(([path]) => !existsSync(path))
      .map(([path]) => `${file}: ${path}`),
  );
  assert.deepEqual(wrong, []);
});

/** The changelog says what was: files that it names may be gone. */
const NAMES_FILES = PAGES.filter((path) => path !== "CHANGELOG.md");

test("every file and folder that a document names exists", () => {
  const wrong = NAMES_FILES.flatMap((page) =>
    pages.get(page)!.codes.flatMap(({ line, target }) => {
      const path = /^(?:\.\.?\/)*((?:src|test|scripts|docs)\/[\w/.-]*)(?=$|\s)/.exec(target)?.[1];
      return path === undefined || existsSync(path) ? [] : [`${page}:${line}: ${path}`];
    }),
  );
  assert.deepEqual(wrong, []);
});

test("the README is read in one sitting", () => {
  const lines = readFileSync("README.md", "utf8").trimEnd().split("\n").length;
  assert.ok(lines <= 200, `README.md has ${lines} lines; what does not fit belongs to docs/`);
});

test("a page is read without its code, with GitHub's anchors", () => {
  const page = readPage(
    [
      "# The `relay`, *really*",
      "[a](one.md#two) `[b](no.md)` and [c]( <three.md> )",
      "```sh",
      "# no heading",
      "[no](no.md)",
      "```",
      "",
      "    # nor this [no](no.md)",
      "",
      "## Retry, replay, cancel ##",
      "- a list",
      "    [d](four.md)",
      "## Retry, replay, cancel",
      "### Größe_1: 2 – 3",
      "[e]: five.md",
    ].join("\n"),
  );
  assert.deepEqual(page.headings, [
    "The relay, really",
    "Retry, replay, cancel",
    "Retry, replay, cancel",
    "Größe_1: 2 – 3",
  ]);
  assert.deepEqual(
    [...page.anchors],
    ["the-relay-really", "retry-replay-cancel", "retry-replay-cancel-1", "größe_1-2--3"],
  );
  assert.deepEqual(
    page.links.map(({ line, target }) => `${line} ${target}`),
    ["2 one.md#two", "2 three.md", "12 four.md", "15 five.md"],
  );
});
