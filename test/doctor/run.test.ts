import assert from "node:assert/strict";
import { test } from "node:test";
import { failed, of, ok, type Probe, warning } from "../../src/doctor/probe.ts";
import { type Line, runProbes, type Stage } from "../../src/doctor/run.ts";
import { testClock } from "../support/ports.ts";

/** Runs stages over a clock that is moved by hand; `lines` grows as they are reported. */
function start(stages: Stage[]) {
  const clock = testClock();
  const lines: Line[] = [];
  const shown: string[] = [];
  const found = (line: Line) => void lines.push(line);
  const progress = (text: string) => void shown.push(text);
  const ended = runProbes(stages, { clock, found, progress });
  return { clock, lines, shown, ended, names: () => lines.map(({ probe }) => probe) };
}

const probe = (name: string, run: Probe["run"], timeout: number | null = 1_000): Probe => ({ name, timeout, run });

test("probes run side by side, and their lines keep the order of the table", async () => {
  const slow = Promise.withResolvers<void>();
  let begun = 0;
  const { ended, names, shown } = start([
    {
      atOnce: 2,
      probes: [
        probe("slow", async () => {
          begun++;
          await slow.promise;
          return ok("at last");
        }),
        probe("quick", async () => {
          begun++;
          return [ok("one"), of("part", warning("two", "do something"))];
        }),
        probe("none", async () => []),
      ],
    },
    { atOnce: 1, probes: [probe("next", async () => failed("no"))] },
  ]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(begun, 2);
  assert.deepEqual(names(), []);
  slow.resolve();
  await ended;
  assert.deepEqual(names(), ["slow", "quick", "quick.part", "next"]);
  assert.ok(shown.includes("slow, quick"), shown.join("; "));
});

test("a probe that hangs fails at its time limit, its signal is aborted, and the others are reported after it", async () => {
  let reason: unknown;
  const { clock, ended, lines } = start([
    {
      atOnce: 2,
      probes: [
        probe("hung", (signal) => {
          signal.addEventListener("abort", () => {
            reason = signal.reason;
          });
          return new Promise(() => {});
        }),
        probe("fine", async () => ok("yes")),
      ],
    },
  ]);
  await clock.advance(999);
  assert.deepEqual(lines, []);
  await clock.advance(1);
  await ended;
  assert.deepEqual(lines, [
    { probe: "hung", state: "failed", detail: "no answer within 1 s", advice: null },
    { probe: "fine", state: "ok", detail: "yes", advice: null },
  ]);
  assert.equal((reason as Error).name, "TooLate");
});

test("a probe that throws fails with one line, and the others go on", async () => {
  const { ended, lines } = start([
    {
      atOnce: 1,
      probes: [
        probe("broken", async () => {
          throw Object.assign(new Error("no such device\n    at somewhere"), { code: "ENXIO" });
        }),
        probe("fine", async () => ok("yes")),
      ],
    },
  ]);
  await ended;
  assert.deepEqual(
    lines.map(({ state, detail }) => [state, detail]),
    [
      ["failed", "no such device (ENXIO)"],
      ["ok", "yes"],
    ],
  );
});

test("a lack of permission names the file, and the user who has it", async () => {
  const denied = (code: string, message: string) =>
    probe("denied", async () => {
      throw Object.assign(new Error(message), { code });
    });
  const { ended, lines } = start([
    {
      atOnce: 1,
      probes: [
        denied("EACCES", "EACCES: permission denied, scandir '/srv/media'"),
        denied("EPERM", "EPERM: operation not permitted, open '/etc/key.pem'"),
      ],
    },
  ]);
  await ended;
  assert.deepEqual(
    lines.map(({ detail }) => detail),
    ["EACCES: permission denied, scandir '/srv/media'", "EPERM: operation not permitted, open '/etc/key.pem'"],
  );
  assert.deepEqual([...new Set(lines.map(({ advice }) => advice))], ["run doctor as root, or as the relay's user"]);
});
