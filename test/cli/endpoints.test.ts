import assert from "node:assert/strict";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import { withStage } from "../e2e/stage.ts";
import { endpointTo, SECRET } from "../support/relay-in-folder.ts";
import { callCli, callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const off = { mirror: { enabled: false } };

test("endpoints test sends a signed message, also to one that is paused, and shows what is answered", async () => {
  await withStage(off, async ({ relay, app }) => {
    const [endpoint] = relay.config.endpoints;
    const config = ["--config", relay.configPath];
    await callCli(["endpoints", "pause", endpoint!.id, ...config]);
    app.answer({ status: 200, body: "glad to hear from you" });
    const well = await callCli(["endpoints", "test", endpoint!.id, ...config]);
    assert.equal(well.code, 0, well.stderr);
    assert.match(well.stdout, /^\S+ answered 200 after \d+ ms\nglad to hear from you\n$/);
    const { body, headers, json } = app.requests[0]!;
    assert.deepEqual([json.type, json.wochitVideoId, json.relay.aboutEventId], ["relay.test", null, null]);
    new Webhook(SECRET).verify(body.toString(), headers as Record<string, string>);

    app.answer(500);
    const ill = await callCli(["endpoints", "test", endpoint!.id, ...config]);
    assert.deepEqual([ill.code, /failed: HTTP 500 after/.test(ill.stdout)], [1, true]);
    assert.notEqual(app.requests[1]!.headers["webhook-id"], headers["webhook-id"]);
    const [listed] = await callJson(["endpoints", "list", ...config]);
    assert.equal(listed.state, "paused", "a test changes nothing");

    for (const verb of ["list", "retry", "cancel"]) {
      const far = await callCli(["deliveries", verb, "--endpoint", `${endpoint!.id}x`, ...config]);
      assert.deepEqual([far.code, far.stdout], [1, ""]);
      assert.match(far.stderr, new RegExp(`no endpoint .*did you mean "${endpoint!.id}"`));
    }

    const wrong = await callCli(["endpoints", "test", `${endpoint!.id}x`, ...config]);
    assert.deepEqual([wrong.code, wrong.stdout], [1, ""]);
    assert.match(wrong.stderr, new RegExp(`no endpoint .*did you mean "${endpoint!.id}"`));
  });
});

test("an endpoint that does not answer is shown as failing, with its next probe, by list, doctor and its deliveries", async () => {
  const endpoints = (app: string) => [endpointTo(app, { concurrency: 16, retry: ["1h"] })];
  await withStage({ ...off, endpoints }, async ({ relay, app, send }) => {
    app.answer("reset");
    const config = ["--config", relay.configPath];
    for (let n = 0; n < 12; n++) await send("draft.new", { videoId: `v${n}` });
    const failing = await waitFor(async () => {
      const [one] = await callJson(["endpoints", "list", "--state", "failing", ...config]);
      return one;
    });
    assert.ok(Date.parse(failing.nextProbeAt) > Date.parse(failing.failingSince));
    assert.equal(typeof failing.reason, "string");
    assert.equal(failing.pending + failing.running, 12);

    const [delivery] = await callJson(["deliveries", "list", "--state", "pending", "--limit", "1", ...config]);
    assert.deepEqual([delivery.waitsFor.is, delivery.waitsFor.of], ["breaker", failing.id]);
    const shown = await callCli(["deliveries", "show", delivery.id, ...config]);
    assert.match(shown.stdout, /waitsFor +endpoint \S+ is failing: only probes are sent, the next at /);
    const doctor = await callCli(["doctor", ...config]);
    assert.match(doctor.stdout, /it is failing since .*: it gets probes only, and 12 wait for it/);
    assert.match(doctor.stdout, new RegExp(`endpoints resume ${failing.id} has it asked at once`));
    const status = (await callCli(["status", ...config])).stdout;
    assert.match(status, new RegExp(`^ {2}${failing.id} +failing since .+: .+, the next probe at .+; 12 open$`, "m"));
    assert.match(status, new RegExp(`\n\nnothing needs you yet, but ${failing.id} is failing:\n.*endpoints show`));
    const still = await callCli(["endpoints", "resume", failing.id, ...config]);
    assert.match(
      still.stdout,
      new RegExp(`^${failing.id} was asked now, and is failing still: .+; the next probe is at .+\n$`),
    );
    // So far away that what follows is no probe that was to come anyway.
    for (let n = 0; n < 4; n++) await callCli(["endpoints", "resume", failing.id, ...config]);
    const [{ nextProbeAt }] = await callJson(["endpoints", "list", ...config]);

    app.answer(200);
    const again = await callCli(["deliveries", "retry", delivery.id, "--wait", ...config]);
    assert.deepEqual([again.code, again.stdout], [0, `${delivery.id}: delivered\n`]);
    assert.ok(Date.now() < Date.parse(nextProbeAt), "it was asked at once");
    await waitFor(
      async () => (await callJson(["deliveries", "list", "--state", "delivered", ...config])).length === 12,
    );
    const [well] = await callJson(["endpoints", "list", ...config]);
    assert.deepEqual([well.state, well.nextProbeAt], ["active", null]);
  });
});
