import assert from "node:assert/strict";
import { test } from "node:test";
import { openDashboard } from "../support/dashboard.ts";

const APP = {
  id: "app",
  url: "http://127.0.0.1:9/",
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
};

/** What a browser says of a request, and whether the change is made. */
const SAID: [words: string, headers: (host: string) => Record<string, string>, isMade: boolean][] = [
  ["its own page", () => ({ "sec-fetch-site": "same-origin" }), true],
  ["another site", () => ({ "sec-fetch-site": "cross-site" }), false],
  ["another port of this machine", () => ({ "sec-fetch-site": "same-site" }), false],
  ["no page at all", () => ({ "sec-fetch-site": "none" }), false],
  [
    "another site, whatever its origin says",
    (host) => ({ "sec-fetch-site": "cross-site", origin: `http://${host}` }),
    false,
  ],
  ["an older browser, its own page", (host) => ({ origin: `http://${host}` }), true],
  ["an older browser behind a proxy with TLS", (host) => ({ origin: `https://${host}` }), true],
  ["an older browser, another site", () => ({ origin: "http://evil.example" }), false],
  ["an older browser, another port", () => ({ origin: "http://127.0.0.1:1" }), false],
  ["a page without an origin", () => ({ origin: "null" }), false],
  ["nothing", () => ({}), false],
];

test("a change with a cookie is made for pages of this origin only, whatever the type of its body", async (t) => {
  const { login, send, port, get } = await openDashboard(t, { endpoints: [APP] });
  await login();
  const state = async () => (await get("/endpoints")).json.data[0].state;
  const types = ["application/json", "text/plain", "application/x-www-form-urlencoded", null];
  for (const [words, headersOf, isMade] of SAID) {
    for (const type of types) {
      const verb = (await state()) === "paused" ? "resume" : "pause";
      const before = await state();
      const headers = { ...headersOf(`127.0.0.1:${port()}`), ...(type !== null && { "content-type": type }) };
      const { status } = await send("POST", `/api/v1/endpoints/app/${verb}`, { headers, body: "{}" });
      assert.equal(status, isMade ? 200 : 403, `${words}, ${type}`);
      assert.equal((await state()) !== before, isMade, `${words}, ${type}`);
    }
  }
});

test("nothing of another origin logs in, or out", async (t) => {
  const { login, form, page } = await openDashboard(t);
  await login();
  assert.equal((await form("/logout", {}, { "sec-fetch-site": "cross-site" })).status, 403);
  assert.equal((await page("/events")).status, 200);
  const { TOKEN } = await import("../support/admin.ts");
  const foreign = await form("/login", { token: TOKEN }, { "sec-fetch-site": "cross-site" });
  assert.deepEqual([foreign.status, foreign.headers["set-cookie"]], [403, undefined]);
});

test("with a token in its header a program needs no origin", async (t) => {
  const { post } = await openDashboard(t, { endpoints: [APP] });
  assert.equal((await post("/endpoints/app/pause", {})).status, 200);
});
