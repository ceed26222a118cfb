import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { withStage } from "../e2e/stage.ts";
import { tempFolder } from "../support/folder.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { callCli, callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const SECRETS = ["gate-hush-1", "gate-hush-2", "plain-hush", "word-hush", "query-hush"];
const PATH = "/hook?key=query-hush";

/** What an app makes of its query and headers. */
function partsOf(path: string, headers: IncomingHttpHeaders) {
  const [, login = ""] = (headers.authorization ?? "").split(" ");
  return {
    token: String(headers["x-gate"]).split(" ")[1],
    key: new URL(path, "http://app").searchParams.get("key"),
    login: Buffer.from(login, "base64").toString(),
  };
}

test("headers and credentials in URLs are sent, read again at a reload, and shown nowhere, also where the app repeats them", async (t) => {
  const file = join(tempFolder(t), "gate");
  writeFileSync(file, "Bearer gate-hush-1\n");
  const more = { headers: { "x-gate": { file }, "x-plain": "plain-hush" } };
  const endpoints = (app: string) => [
    endpointTo(app, { ...more, url: `${app.replace("//", "//user:word-hush@")}${PATH}`, retry: ["100ms"] }),
  ];
  await withStage({ mirror: { enabled: false }, endpoints }, async ({ relay, app, send, delivery }) => {
    app.answer(({ headers, path }, nth) => ({
      status: nth === 0 ? 500 : 200,
      body: JSON.stringify({ said: "no such page", path, headers, ...partsOf(path, headers) }),
    }));
    const first = await send("draft.new");
    const { headers } = await delivery(first.id, PATH, 1);
    const basic = `Basic ${Buffer.from("user:word-hush").toString("base64")}`;
    assert.deepEqual(
      [headers["x-gate"], headers["x-plain"], headers.authorization],
      ["Bearer gate-hush-1", "plain-hush", basic],
    );

    writeFileSync(file, "Bearer gate-hush-2\n");
    assert.deepEqual((await relay.reload({})).changed, ["endpoints"]);
    assert.deepEqual((await relay.reload({})).changed, []);
    const second = await send("draft.exit");
    assert.equal((await delivery(second.id, PATH)).headers["x-gate"], "Bearer gate-hush-2");

    const config = ["--config", relay.configPath];
    const [listed] = await callJson(["endpoints", "list", ...config]);
    const shown = new URL(app.url).host;
    assert.equal(listed.url, `http://(set)@${shown}/hook?(set)`);
    assert.deepEqual(listed.headers, { "x-gate": "(set)", "x-plain": "(set)" });

    const tried = await callJson(["endpoints", "test", listed.id, ...config]);
    const answer = JSON.parse(tried[0].answer);
    assert.deepEqual(
      [answer.said, answer.path, answer.headers["x-gate"], answer.headers.authorization],
      ["no such page", "/hook?(set)", "(set)", "(set)"],
    );
    assert.deepEqual(
      [answer.token, answer.key, answer.login],
      ["(set)", "(set)", "user:(set)"],
      "parts of them, as an app reads them",
    );

    const [one] = await waitFor(async () => {
      const list = await callJson(["deliveries", "list", "--event", first.id, ...config]);
      return list[0]?.state === "delivered" && list;
    });
    const lines = [
      `deliveries show ${one.id}`,
      `events show ${first.id}`,
      "endpoints list",
      "check",
      "doctor",
      "status",
    ];
    const said = await Promise.all(lines.map((line) => callCli([...line.split(" "), ...config])));
    const asJson = await Promise.all(lines.slice(0, 3).map((line) => callJson([...line.split(" "), ...config])));
    assert.match(said[0]!.stdout, /no such page/, "the answers are shown");
    const all = JSON.stringify([said, asJson, tried, relay.ports.log.facts]);
    for (const secret of [...SECRETS, basic.split(" ")[1]!]) assert.ok(!all.includes(secret), secret);
  });
});
