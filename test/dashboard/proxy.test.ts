import assert from "node:assert/strict";
import { test } from "node:test";
import { TOKEN } from "../support/admin.ts";
import { openDashboard } from "../support/dashboard.ts";

const PUBLIC = "https://relay.example.com";

/** What a proxy with TLS in front of the listener passes on. */
const PROXIED = { host: "relay.example.com", "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9" };

test("behind a proxy with TLS the cookie is for https alone, and forms work", async (t) => {
  const { send, port } = await openDashboard(t, {
    server: { trustedProxies: ["127.0.0.1"] },
    admin: { publicUrl: PUBLIC },
  });
  const form = (path: string, fields: Record<string, string>, headers: Record<string, string>) =>
    send("POST", path, { body: new URLSearchParams(fields).toString(), headers: { ...PROXIED, ...headers } });
  const login = await form("/login", { token: TOKEN, to: "/events" }, { "sec-fetch-site": "same-origin" });
  const [cookie] = login.headers["set-cookie"]!;
  assert.match(cookie!, /^__Host-wochit-relay=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure$/);
  assert.equal((await send("GET", "/events", { headers: PROXIED })).status, 200);
  // An older browser says its origin, which is not what the relay is asked by.
  assert.equal((await form("/settings/doctor", {}, { origin: PUBLIC })).status, 303);
  assert.equal((await form("/settings/doctor", {}, { origin: "https://evil.example" })).status, 403);
  const audit = await send("GET", "/api/v1/audit?verb=log%20in", { headers: PROXIED });
  assert.equal(audit.json.data[0].by, "admin@203.0.113.9");
  // The same relay by a tunnel, over plain HTTP.
  const tunnel = { host: `localhost:${port()}`, "sec-fetch-site": "same-origin" };
  const body = new URLSearchParams({ token: TOKEN }).toString();
  const other = await send("POST", "/login", { body, headers: tunnel });
  assert.match(other.headers["set-cookie"]![0]!, /^wochit-relay-\d+=.*Max-Age=43200$/);
});

test("what is no trusted proxy cannot make a cookie secure, or say another address", async (t) => {
  const { send, get } = await openDashboard(t);
  const headers = { "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9", "sec-fetch-site": "same-origin" };
  const body = new URLSearchParams({ token: TOKEN }).toString();
  const { headers: answered } = await send("POST", "/login", { body, headers });
  assert.doesNotMatch(answered["set-cookie"]![0]!, /Secure|__Host/);
  assert.equal((await get("/audit")).json.data[0].by, "admin@127.0.0.1");
});

test("a Host that is not of this machine gets no page", async (t) => {
  const { send } = await openDashboard(t);
  for (const path of ["/", "/login", "/events", "/live", "/assets/x.css"]) {
    assert.equal((await send("GET", path, { headers: { host: "evil.example" } })).status, 403, path);
  }
});
