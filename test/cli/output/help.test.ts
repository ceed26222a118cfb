import assert from "node:assert/strict";
import { test } from "node:test";
import stringWidth from "string-width";
import { parse } from "../../../src/cli/args.ts";
import type { Command } from "../../../src/cli/command.ts";
import { isGroup } from "../../../src/cli/command.ts";
import { commands } from "../../../src/cli/commands/table.ts";
import { commandHelp, groupHelp, programHelp } from "../../../src/cli/output/help.ts";
import { wrap } from "../../../src/cli/output/wrap.ts";

const loaded = await Promise.all(Object.values(commands).map(async (load) => (await load()).command));
const groups = loaded.filter(isGroup);
const all: Command[] = loaded.flatMap((one) => (isGroup(one) ? Object.values(one.verbs) : [one]));

/** The words of a command line, as a shell without variables reads them, up to a pipe, a redirection or a second command. */
function words(line: string): string[] {
  const found = line.replaceAll("\\\n", " ").match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  const end = found.findIndex((word) => /^(>|\||&&)$/.test(word));
  return found.slice(0, end < 0 ? undefined : end).map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
}

test("help fits 80 columns", () => {
  const texts = [programHelp("10.20.30", loaded), ...groups.map(groupHelp), ...all.map(commandHelp)];
  const long = texts.flatMap((text) => text.split("\n")).filter((line) => stringWidth(line) > 80);
  assert.deepEqual(long, []);
});

for (const command of all) {
  test(`the examples of ${command.name} are taken by it`, () => {
    const lines = Object.keys(command.examples);
    assert.ok(lines.length > 0, "each command has an example");
    for (const line of lines) {
      const [program, ...rest] = words(line);
      const name = command.name.split(" ");
      assert.equal(program, "wochit-relay", line);
      assert.deepEqual(rest.slice(0, name.length), name, line);
      assert.doesNotThrow(() => parse(command, rest.slice(name.length)), line);
      assert.ok(commandHelp(command).includes(`\n  ${line}\n`), line);
    }
  });
}

test("lines flow together up to the width, and those that begin with a blank are kept", () => {
  const text = `one two
three four
  kept   as it is

a-word-that-is-wider-than-a-line b`;
  assert.deepEqual(wrap(text, { width: 12 }).split("\n"), [
    "one two",
    "three four",
    "  kept   as it is",
    "",
    "a-word-that-is-wider-than-a-line",
    "b",
  ]);
  assert.equal(wrap("one two", { width: 8, indent: 4 }), "    one\n    two");
});
