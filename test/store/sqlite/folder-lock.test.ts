import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { lockFolder } from "../../../src/store/sqlite/files/database.ts";
import { tempFolder } from "../../support/folder.ts";

const HOLD = join(import.meta.dirname, "../../support/hold-lock.ts");
const RUNTIME = "Deno" in globalThis ? ["run", "-A"] : [];

test("who only looks at the lock for an instant keeps no relay from starting", async (t) => {
  const dir = tempFolder(t);
  lockFolder(dir)();
  const startBeside = async () => {
    const child = spawn(process.execPath, [...RUNTIME, HOLD, join(dir, "relay.lock"), "100"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    try {
      lockFolder(dir)();
    } finally {
      await ended;
    }
  };
  // A start waits for 300 ms. On a busy machine an instant may last longer: then once more.
  let starting = startBeside();
  for (let more = 4; more > 0; more--) starting = starting.catch(startBeside);
  await starting;
});

test("a link in the place of the lock is refused in one line, and nothing is done to what it leads to", (t) => {
  const dir = tempFolder(t);
  const elsewhere = join(dir, "elsewhere");
  mkdirSync(elsewhere);
  const data = join(dir, "data");
  mkdirSync(data);
  const lock = join(data, "relay.lock");
  const refused = () =>
    assert.throws(() => lockFolder(data), { code: "conflict", message: /relay\.lock is a link: [^\n]+$/ });

  symlinkSync(join(elsewhere, "new"), lock);
  refused();
  assert.equal(existsSync(join(elsewhere, "new")), false);
  writeFileSync(join(elsewhere, "new"), "");
  chmodSync(join(elsewhere, "new"), 0o644);
  refused();
  assert.equal(statSync(join(elsewhere, "new")).mode & 0o777, 0o644);
  assert.ok(lstatSync(lock).isSymbolicLink());

  const other = join(dir, "other");
  mkdirSync(other);
  writeFileSync(join(elsewhere, "hard"), "");
  linkSync(join(elsewhere, "hard"), join(other, "relay.lock"));
  assert.throws(() => lockFolder(other), { code: "conflict", message: /is a link/ });
  assert.equal(readFileSync(join(elsewhere, "hard"), "utf8"), "");
});

test("a lock that others could read or write is the owner's alone again", (t) => {
  const dir = tempFolder(t);
  lockFolder(dir)();
  chmodSync(join(dir, "relay.lock"), 0o666);
  lockFolder(dir)();
  assert.equal(statSync(join(dir, "relay.lock")).mode & 0o777, 0o600);
});
