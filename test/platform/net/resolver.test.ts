import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { createResolver, type Resolve } from "../../../src/platform/net/resolver.ts";
import { systemClock } from "../../../src/platform/runtime.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock } from "../../support/ports.ts";
import { waitFor } from "../../support/wait.ts";

const ADDRESS = [{ address: "192.0.2.1", family: 4 }];

/** A name server that knows the A records of these names; others do not exist, and those of "silent" get no answer. */
async function nameServer(t: TestContext, records: Record<string, string>): Promise<{ at: string; asked: string[] }> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (; query[at] !== 0; at += query[at]! + 1) labels.push(query.toString("latin1", at + 1, at + 1 + query[at]!));
    const question = query.subarray(12, at + 5);
    const name = labels.join(".").toLowerCase();
    asked.push(name);
    if (name.startsWith("silent")) return;
    const record = query.readUInt16BE(at + 1) === 1 ? records[name] : undefined;
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(name in records ? 0x8180 : 0x8183, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(record ? 1 : 0, 6);
    head.writeUInt32BE(0, 8);
    const answer = record
      ? [Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]), Buffer.from(record.split(".").map(Number))]
      : [];
    socket.send(Buffer.concat([head, question, ...answer]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  t.after(() => socket.close());
  return { at: `127.0.0.1:${(socket.address() as AddressInfo).port}`, asked };
}

/** The system's lookup: "dead" names hang, "unknown" ones fail, others answer. */
function fakeSystem() {
  const asked: string[] = [];
  const hanging: { name: string; end: () => void }[] = [];
  const system: Resolve = (name) => {
    asked.push(name);
    if (name.startsWith("unknown"))
      return Promise.reject(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }));
    if (!name.startsWith("dead")) return Promise.resolve(ADDRESS);
    return new Promise((_, reject) => {
      hanging.push({ name, end: () => reject(new Error("server failure")) });
    });
  };
  return { system, asked, hanging };
}

const lateOf = (error: unknown) =>
  (error as { code?: string }).code === "ETIMEOUT" && /no answer within/.test(`${error}`);

test("the system's answer is the answer, asked for once at a time for each name", async () => {
  const { system, asked } = fakeSystem();
  const resolve = createResolver({ clock: testClock(), system });
  assert.deepEqual(await Promise.all([resolve("App.internal"), resolve("app.internal")]), [ADDRESS, ADDRESS]);
  assert.deepEqual(asked, ["app.internal"]);
  await resolve("app.internal");
  assert.equal(asked.length, 2, "nothing is cached");
  await assert.rejects(resolve("unknown.test"), /no such name/);
});

test("a name that hangs is given up after five seconds", async (t) => {
  const clock = testClock();
  const { system, hanging, asked } = fakeSystem();
  const server = await nameServer(t, { "dead.test": "192.0.2.9" });
  const resolve = createResolver({ clock, system, servers: [server.at], hostsFile: "/nowhere" });
  const both = [assert.rejects(resolve("dead.test"), lateOf), assert.rejects(resolve("dead.test"), lateOf)];
  await clock.advance(5_000);
  await Promise.all(both);
  // While its lookup still holds a thread, the name servers are asked, not the system once more.
  assert.deepEqual(await resolve("dead.test"), [{ address: "192.0.2.9", family: 4 }]);
  assert.deepEqual(asked, ["dead.test"]);
  hanging[0]!.end();
  await new Promise((resolve) => setImmediate(resolve));
  const again = assert.rejects(resolve("dead.test"), lateOf);
  assert.deepEqual(asked, ["dead.test", "dead.test"]);
  await clock.advance(5_000);
  await again;
});

test("any number of dead names holds up no other: neither one that answered before nor a new one", async (t) => {
  const clock = testClock();
  const { system, asked } = fakeSystem();
  const folder = tempFolder(t);
  const hostsFile = join(folder, "hosts");
  await writeFile(
    hostsFile,
    "# 192.0.2.66 new.test\n192.0.2.7\tlisted.test Alias.Test # here\nfe80::1%1 x\n::1 listed.test\n",
  );
  const server = await nameServer(t, { "new.test": "192.0.2.8" });
  const resolve = createResolver({ clock, system, servers: [server.at], hostsFile });
  await resolve("known.test");
  // No more than a socket of a name server has room for at once: what it drops costs the resolver seconds.
  const dead = Array.from({ length: 60 }, (_, at) => resolve(`dead${at}.test`).catch((error) => error));
  assert.ok(asked.length < 13, `${asked.length} lookups hold a thread`);
  assert.deepEqual(await resolve("known.test"), ADDRESS, "by the system");
  const found = [{ address: "192.0.2.8", family: 4 }];
  assert.deepEqual(
    await Promise.all([resolve("new.test"), resolve("New.test")]),
    [found, found],
    "by the name servers",
  );
  assert.equal(server.asked.filter((name) => name === "new.test").length, 2, "asked once for either family");
  assert.deepEqual(await resolve("Alias.test."), [{ address: "192.0.2.7", family: 4 }], "by the hosts file");
  assert.deepEqual(await resolve("listed.test"), [
    { address: "192.0.2.7", family: 4 },
    { address: "::1", family: 6 },
  ]);
  await clock.advance(5_000);
  for (const error of await Promise.all(dead)) assert.ok(error instanceof Error);
});

test("name servers that are silent are given up after five seconds, too", async (t) => {
  const { system } = fakeSystem();
  const server = await nameServer(t, {});
  const clock = testClock();
  const resolve = createResolver({ clock, system, servers: [server.at], hostsFile: "/nowhere" });
  for (let at = 0; at < 8; at++) resolve(`dead${at}.test`).catch(() => {});
  const silent = assert.rejects(resolve("silent.test"), lateOf);
  await waitFor(() => server.asked.length > 0);
  await clock.advance(5_000);
  await silent;
});

test("the real lookup knows what the hosts file knows", async () => {
  const resolve = createResolver({ clock: systemClock() });
  assert.ok((await resolve("localhost")).some(({ address }) => address === "127.0.0.1" || address === "::1"));
});
