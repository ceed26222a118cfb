import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { systemClock } from "../../src/platform/runtime.ts";
import { inheritedSockets, openNotifier } from "../../src/platform/systemd.ts";
import { tempFolder } from "../support/folder.ts";
import { noNotifySocket, openNotifySocket } from "../support/notify-socket.ts";
import { testClock, testLog } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";

test("sockets are taken only by the process they were handed to", () => {
  const handed = { LISTEN_PID: "77", LISTEN_FDS: "2", LISTEN_FDNAMES: "http:" };
  assert.deepEqual(inheritedSockets({ ...handed }, 77), [
    { fd: 3, name: "http" },
    { fd: 4, name: "unknown" },
  ]);
  assert.deepEqual(inheritedSockets({ ...handed }, 78), []);
  assert.deepEqual(inheritedSockets({ LISTEN_PID: "77", LISTEN_FDS: "1" }, 77), [{ fd: 3, name: "unknown" }]);
  for (const wrong of [
    { LISTEN_PID: "" },
    { LISTEN_PID: "077x" },
    { LISTEN_FDS: "" },
    { LISTEN_FDS: "-1" },
    { LISTEN_FDS: "0" },
  ]) {
    assert.deepEqual(inheritedSockets({ ...handed, ...wrong }, 77), []);
  }
  assert.deepEqual(inheritedSockets({}, 77), []);
});

test("what was meant for this process is not passed on to its children", () => {
  const env = {
    PATH: "/usr/bin",
    ...{ LISTEN_PID: "1", LISTEN_FDS: "1", LISTEN_FDNAMES: "http" },
    ...{ NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "1", WATCHDOG_PID: "1" },
  };
  inheritedSockets(env, 77);
  openNotifier(env, { clock: testClock(), log: testLog() });
  assert.deepEqual(env, { PATH: "/usr/bin" });
});

test("a service manager hears how the relay is, in order and word for word", { skip: noNotifySocket }, async (t) => {
  const socket = await openNotifySocket(t);
  const log = testLog();
  const notifier = openNotifier({ NOTIFY_SOCKET: socket.path, PATH: "relative" }, { clock: systemClock(), log });
  await notifier.ready("listening on 8080; größer\nthan one line");
  await notifier.status("12 waiting");
  await notifier.status("12 waiting");
  const uptime = Number(spawnSync("cat", ["/proc/uptime"]).stdout.toString().split(" ")[0]);
  // Not awaited one by one: they keep their order all the same.
  const rest = [notifier.reloading(), notifier.ready("again"), notifier.stopping("draining"), notifier.stopping()];
  await Promise.all(rest);
  const heard = await socket.hear(6);
  const monotonic = heard[2]?.[1] ?? "";
  assert.deepEqual(heard, [
    ["READY=1", "STATUS=listening on 8080; größer than one line"],
    ["STATUS=12 waiting"],
    ["RELOADING=1", monotonic],
    ["READY=1", "STATUS=again"],
    ["STOPPING=1", "STATUS=draining"],
    ["STOPPING=1"],
  ]);
  // A clock that never stands behind CLOCK_MONOTONIC, which no runtime lets a test read: that of /proc/uptime is the same or ahead.
  const seconds = Number(/^MONOTONIC_USEC=(\d+)$/.exec(monotonic)?.[1]) / 1e6;
  assert.ok(Math.abs(seconds - uptime) < 5, `${seconds} s since boot are said, ${uptime} s it is`);
  assert.deepEqual(log.facts, []);
});

test("without a service manager nothing is told and nobody is asked", async () => {
  const log = testLog();
  const asked: string[] = [];
  const tell = async (assignments: string[]) => void asked.push(...assignments);
  const notifier = openNotifier({ WATCHDOG_USEC: "1000" }, { clock: testClock(), log }, tell);
  await notifier.ready("a");
  await notifier.reloading();
  await notifier.stopping("a");
  await notifier.status("b");
  notifier.watch()();
  assert.deepEqual(asked, []);
  assert.deepEqual(log.facts, []);
});

test("a notification that fails harms nobody: one warning, and one more after it has worked again", async () => {
  const log = testLog();
  let fails = true;
  const told: string[] = [];
  const notifier = openNotifier({ NOTIFY_SOCKET: "/run/x" }, { clock: testClock(), log }, async ([first]) => {
    if (fails) throw new Error("no such socket");
    told.push(first!);
  });
  await notifier.ready("a");
  await notifier.status("b");
  assert.deepEqual(log.facts, [
    { level: "warn", fact: "systemd cannot be notified", fields: { error: "no such socket" } },
  ]);
  fails = false;
  await notifier.status("c");
  fails = true;
  await notifier.stopping();
  assert.deepEqual(told, ["STATUS=c"]);
  assert.equal(log.facts.length, 2);
});

test("a systemd-notify that fails or hangs is a warning, and is told no secret", {
  skip: process.platform === "win32",
}, async (t) => {
  const dir = tempFolder(t);
  const program = join(dir, "systemd-notify");
  const env = () => ({ NOTIFY_SOCKET: join(dir, "nobody"), PATH: dir, SECRET: "s" });
  const say = (script: string) => {
    writeFileSync(program, `#!/bin/sh\n${script}\n`);
    chmodSync(program, 0o755);
  };
  const warningOf = async (clock = systemClock(), during?: () => Promise<void>) => {
    const log = testLog();
    const told = openNotifier(env(), { clock, log }).ready("x");
    await during?.();
    await told;
    return log.facts[0]?.fields.error;
  };

  say(`env > '${dir}/env'; exit 3`);
  assert.equal(await warningOf(), `systemd-notify ended with 3`);
  assert.match(readFileSync(join(dir, "env"), "utf8"), /^NOTIFY_SOCKET=/m);
  assert.doesNotMatch(readFileSync(join(dir, "env"), "utf8"), /SECRET/);

  const clock = testClock();
  say(`echo > '${dir}/began'; exec sleep 60`);
  const begun = () => waitFor(() => spawnSync("test", ["-e", join(dir, "began")]).status === 0);
  const hung = warningOf(clock, async () => {
    await begun();
    await clock.advance(8_000);
  });
  assert.equal(await hung, `systemd-notify ended with SIGKILL`);
});

/** A watchdog of 30 s over a fake clock, and when it was fed, in seconds. */
function watched(env: Record<string, string> = {}, took = async () => {}) {
  const clock = testClock();
  const log = testLog();
  const fed: number[] = [];
  const tell = async ([first]: string[]) => {
    await took();
    if (first === "WATCHDOG=1") fed.push(clock.elapsed() / 1_000);
  };
  const notifier = openNotifier({ NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "30000000", ...env }, { clock, log }, tell);
  return { clock, log, fed, stop: notifier.watch() };
}

test("the watchdog is fed twice in each span, until that is ended", async () => {
  const { clock, fed, stop, log } = watched({ WATCHDOG_PID: String(process.pid) });
  await clock.advance(50_000);
  assert.deepEqual(fed, [0, 15, 30, 45]);
  stop();
  await clock.advance(100_000);
  assert.deepEqual(fed, [0, 15, 30, 45]);
  assert.deepEqual(log.facts, []);
});

test("the watchdog of another process is not fed, nor one that is none", async () => {
  const others: Record<string, string>[] = [
    { WATCHDOG_PID: String(process.pid + 1) },
    { WATCHDOG_USEC: "" },
    { WATCHDOG_USEC: "0" },
  ];
  for (const env of others) {
    const { clock, fed, stop } = watched(env);
    await clock.advance(60_000);
    stop();
    assert.deepEqual(fed, []);
  }
});

test("notifications that are not taken do not pile up", async () => {
  let take = () => {};
  const { clock, fed, stop } = watched({}, () => new Promise((resolve) => (take = resolve)));
  await clock.advance(100_000);
  assert.deepEqual(fed, []);
  take();
  await clock.advance(1);
  take();
  await clock.advance(1);
  take();
  await clock.advance(1);
  assert.equal(fed.length, 2, "the one that was on its way, and the one that waited");
  stop();
});
