import assert from "node:assert/strict";
import { request } from "node:http";
import { type TestContext, test } from "node:test";
import { createLive } from "../../src/dashboard/live.ts";
import type { Clock } from "../../src/ports.ts";
import { openDashboard } from "../support/dashboard.ts";
import { testClock } from "../support/ports.ts";
import { realPorts } from "../support/real-ports.ts";
import { waitFor } from "../support/wait.ts";

type Dashboard = Awaited<ReturnType<typeof openDashboard>>;

/** What a page is told, as it comes. */
async function follow(t: TestContext, { port, jar }: Dashboard) {
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
  const stream = { text: "", hasEnded: false, status: 0, headers: {} as Record<string, unknown> };
  const asking = request({ host: "127.0.0.1", port: port(), path: "/live", headers: { cookie }, agent: false });
  t.after(() => asking.destroy());
  await new Promise<void>((resolve, reject) => {
    asking.on("error", reject).on("response", (response) => {
      Object.assign(stream, { status: response.statusCode, headers: response.headers });
      response.setEncoding("utf8").on("data", (text: string) => {
        stream.text += text;
      });
      response
        .on("error", () => {})
        .on("close", () => {
          stream.hasEnded = true;
        });
      resolve();
    });
    asking.end();
  });
  return stream;
}

test("a page is told that something has changed, and not what", async (t) => {
  const dashboard = await openDashboard(t);
  await dashboard.login();
  const stream = await follow(t, dashboard);
  assert.deepEqual([stream.status, stream.headers["content-type"]], [200, "text/event-stream"]);
  assert.equal(stream.headers["x-accel-buffering"], "no");
  assert.equal(stream.headers["content-encoding"], undefined);
  await waitFor(() => stream.text.startsWith("retry: "));
  await dashboard.event({ wochitVideoId: "v1", title: "secret" });
  await waitFor(() => stream.text.includes("event: changed\ndata: 1\n\n"));
  assert.doesNotMatch(stream.text, /secret|v1|evt_/);
});

test("a stream ends with the token of its login", async (t) => {
  const dashboard = await openDashboard(t);
  await dashboard.login();
  const stream = await follow(t, dashboard);
  await dashboard.relay.reload({ admin: { listen: "127.0.0.1:0", token: "another-token-of-the-operator" } });
  await waitFor(() => stream.hasEnded);
  assert.equal((await follow(t, dashboard)).status, 401);
});

test("a stream needs a login, ends with it, and with the relay at once", async (t) => {
  const real = realPorts();
  // What answers under way have at a stop never passes.
  const after: Clock["after"] = (ms, run) => (ms === 3_000 ? () => {} : real.clock.after(ms, run));
  const dashboard = await openDashboard(t, {}, { ...real, clock: { ...real.clock, after } });
  assert.equal((await follow(t, dashboard)).status, 401);
  await dashboard.login();
  const first = await follow(t, dashboard);
  await dashboard.form("/logout");
  await waitFor(() => first.hasEnded);
  assert.match(first.text, /event: over\ndata: 1\n\n$/, "pages ask for themselves once more, and see it");
  await dashboard.login();
  const second = await follow(t, dashboard);
  let isStopped = false;
  void dashboard.relay.stop().then(() => {
    isStopped = true;
  });
  await waitFor(() => isStopped && second.hasEnded);
});

test("streams are bounded, for a session and in all, and each place is free again", async (t) => {
  const clock = testClock();
  const live = createLive(clock);
  t.after(() => live.end(null));
  const session = (hash: string) => ({
    ...{ hash, token: "admin", mark: "", address: "127.0.0.1" },
    createdAt: clock.now(),
    expiresAt: clock.now() + 60_000,
  });
  const read = async () => "same";
  const opened = Array.from({ length: 16 }, () => live.open(session("a"), read));
  assert.ok(opened.every((one) => one !== null));
  assert.equal(live.open(session("a"), read), null);
  await opened[0]!.body!.cancel();
  assert.ok(live.open(session("a"), read));
  for (const name of ["b", "c", "d", "e", "f"]) {
    for (let n = 0; n < 16; n++) assert.ok(live.open(session(name), read));
  }
  assert.equal(live.open(session("g"), read), null);
  live.end("f");
  assert.ok(live.open(session("g"), read));
});

test("nothing is looked at while no page is open, at most once a second while one is, and a session that expires is told nothing", async () => {
  const clock = testClock();
  const live = createLive(clock);
  let looks = 0;
  const read = async () => String(looks++);
  const expiresAt = clock.now() + 3_500;
  const session = { hash: "a", token: "admin", mark: "", address: "127.0.0.1", createdAt: clock.now(), expiresAt };
  await clock.advance(10_000);
  assert.equal(looks, 0);
  const stream = live.open({ ...session, expiresAt: clock.now() + 3_500 }, read)!;
  const reader = stream.body!.getReader();
  let text = "";
  const all = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += new TextDecoder().decode(value);
    }
  })();
  for (let n = 0; n < 50; n++) await clock.advance(100);
  await all;
  assert.equal(text.match(/changed/g)?.length, 3);
  assert.ok(looks <= 5, `${looks}`);
  const before = looks;
  await clock.advance(10_000);
  assert.equal(looks, before);
});

test("after the last change pages hear of it once more, for what they show of a few seconds ago", async (t) => {
  const clock = testClock();
  const live = createLive(clock);
  t.after(() => live.end(null));
  let mark = "a";
  const session = { hash: "a", token: "admin", mark: "", address: "127.0.0.1", createdAt: clock.now() };
  const stream = live.open({ ...session, expiresAt: clock.now() + 60_000 }, async () => mark)!;
  const reader = stream.body!.getReader();
  let text = "";
  void (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += new TextDecoder().decode(part.value);
    }
  })();
  const heard = async (seconds: number) => {
    for (let n = 0; n < seconds * 10; n++) await clock.advance(100);
    return text.match(/changed/g)?.length ?? 0;
  };
  assert.equal(await heard(3), 0);
  mark = "b";
  assert.equal(await heard(2), 1);
  mark = "c";
  assert.equal(await heard(3), 2);
  assert.equal(await heard(4), 3);
  assert.equal(await heard(20), 3);
});
