import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../../src/config/schema.ts";
import { openParts, type PartTable } from "../../src/relay/parts.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";

type Parts = { mirror: string; door: string; backups: string };

/** Three parts that write down what is done with them; `breaks`: the part that cannot be opened. */
function stage(breaks: { name: keyof Parts | null }) {
  const said: string[] = [];
  const part = (name: keyof Parts, options: (config: Config) => unknown, made: "mirror"[] = []) => ({
    options,
    with: made as never[],
    isExclusive: name === "mirror",
    open(config: Config, parts: Parts) {
      if (breaks.name === name) throw new Error(`${name} cannot be opened`);
      said.push(`open ${name}`);
      const { receive } = config;
      return made.length > 0 ? `${name} ${receive.path} with ${parts.mirror}` : `${name} ${receive.path}`;
    },
    start: (it: string) => said.push(`start ${it}`),
    stop: async (it: string) => void said.push(`stop ${it}`),
    close: async (it: string) => void said.push(`close ${it}`),
  });
  const table: PartTable<Parts> = {
    mirror: part("mirror", ({ mirror }) => mirror),
    door: part("door", ({ receive }) => receive, ["mirror"]),
    backups: part("backups", ({ backup }) => backup),
  };
  const flush = () => said.splice(0);
  return { table, flush };
}

const log = { error: (fact: string) => assert.fail(fact) };
test("a part is replaced when its options change, and with it what is made with it; the others are left alone", async (t) => {
  const dir = tempFolder(t);
  const first = configIn(dir, { receive: { path: "/one" } });
  const { table, flush } = stage({ name: null });
  const parts = await openParts(table, first, log);
  parts.start();
  flush();

  await parts.replace(configIn(dir, { receive: { path: "/two" } }), 1, () => {});
  assert.deepEqual(flush(), [
    "open door",
    "stop door /one with mirror /one",
    "start door /two with mirror /one",
    "close door /one with mirror /one",
  ]);

  await parts.replace(configIn(dir, { receive: { path: "/two" }, mirror: { concurrency: 3 } }), 1, () => {});
  assert.deepEqual(flush(), [
    "stop mirror /one",
    "open mirror",
    "open door",
    "stop door /two with mirror /one",
    "start mirror /two",
    "start door /two with mirror /two",
    "close door /two with mirror /one",
    "close mirror /one",
  ]);

  await parts.replace(configIn(dir, { receive: { path: "/two" }, mirror: { concurrency: 3 } }), 1, () => {});
  assert.deepEqual(flush(), []);
});

test("where a new part cannot be opened nothing is taken: what was opened is closed, and the former parts work on", async (t) => {
  const dir = tempFolder(t);
  const first = configIn(dir, { receive: { path: "/one" } });
  const breaks: { name: keyof Parts | null } = { name: null };
  const { table, flush } = stage(breaks);
  const parts = await openParts(table, first, log);
  parts.start();
  flush();

  breaks.name = "door";
  const next = configIn(dir, { receive: { path: "/two" }, mirror: { concurrency: 3 } });
  await assert.rejects(
    parts.replace(next, 1, () => assert.fail("it was taken")),
    /door cannot be opened/,
  );
  assert.deepEqual(flush(), ["stop mirror /one", "open mirror", "close mirror /two", "start mirror /one"]);
  assert.deepEqual(parts.now, {
    mirror: "mirror /one",
    door: "door /one with mirror /one",
    backups: "backups /one",
  });

  breaks.name = null;
  await parts.replace(next, 1, () => {});
  assert.equal(parts.now.mirror, "mirror /two");
});

test("the new parts start, and the former ones are closed, also where taking them fails", async (t) => {
  const { table, flush } = stage({ name: null });
  const dir = tempFolder(t);
  const parts = await openParts(table, configIn(dir, { receive: { path: "/one" } }), log);
  parts.start();
  flush();
  const failing = parts.replace(configIn(dir, { receive: { path: "/two" } }), 1, () => {
    throw new Error("an endpoint cannot be opened");
  });
  await assert.rejects(failing, /an endpoint cannot be opened/);
  assert.deepEqual(flush().slice(-2), ["start door /two with mirror /one", "close door /one with mirror /one"]);
});

test("what cannot be opened at the start closes what was opened before it", async (t) => {
  const dir = tempFolder(t);
  const first = configIn(dir, { receive: { path: "/one" } });
  const { table, flush } = stage({ name: "backups" });
  await assert.rejects(openParts(table, first, log), /backups cannot be opened/);
  assert.deepEqual(flush(), ["open mirror", "open door", "close door /one with mirror /one", "close mirror /one"]);
});
