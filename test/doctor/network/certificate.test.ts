import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { judgeListener, judgeServed, judgeShown } from "../../../src/doctor/network/certificate.ts";
import { type Finding, failureOf } from "../../../src/doctor/probe.ts";
import { readCertificates, type Shown } from "../../../src/platform/net/certificates.ts";
import { tempFolder } from "../../support/folder.ts";
import { listen } from "../../support/listen.ts";
import { openTlsServer, pemFiles } from "../../support/tls-server.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 5, 1);
const signal = () => AbortSignal.timeout(5_000);

async function show(t: Parameters<typeof openTlsServer>[0], pem: Parameters<typeof openTlsServer>[1]): Promise<Shown> {
  const { port } = await openTlsServer(t, pem);
  return readCertificates({ address: "127.0.0.1", port, name: "localhost" }, signal());
}

test("a server's certificate is read as it is, and what is wrong with it is named", async (t) => {
  const good = await show(t, "good");
  assert.equal(good.chain[0]!.subject, "CN=localhost");
  assert.equal(good.chain[0]!.until, Date.UTC(2119, 0, 1));
  assert.equal(good.isForName, true);

  const untrusted = judgeShown(good, "localhost", NOW);
  assert.equal(untrusted.state, "failed");
  assert.match(untrusted.detail, /issuer is not known here.*\(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)$/);
  assert.equal(untrusted.advice, "install its authority in this machine's certificate store and restart the relay");
  const { advice } = judgeShown(good, "localhost", NOW, { setting: "endpoints[0].tls.ca" });
  assert.match(advice!, /, or name its file in endpoints\[0\]\.tls\.ca$/);

  const expired = judgeShown(await show(t, "expired"), "localhost", NOW);
  assert.deepEqual(
    [expired.state, expired.detail, expired.advice],
    ["failed", "the certificate of localhost is refused: it expired 2020-03-01", "renew it"],
  );

  const other = judgeShown(await show(t, "other"), "localhost", NOW);
  assert.equal(other.state, "failed");
  assert.match(other.detail, /it is for DNS:other\.test, not for localhost; its issuer is not known here/);
});

test("days are counted: three weeks before its end it is a warning", async (t) => {
  const shown = { ...(await show(t, "good")), refusal: null };
  const end = Date.UTC(2119, 0, 1);
  const at = (now: number) => judgeShown(shown, "localhost", now);
  assert.deepEqual(
    [at(end - 30 * DAY).state, at(end - 30 * DAY).detail],
    ["ok", "the certificate of localhost is good for 30 days"],
  );
  assert.deepEqual(
    [at(end - 20 * DAY).state, at(end - 20 * DAY).detail],
    ["warning", "the certificate of localhost: it expires in 20 days"],
  );
  assert.equal(at(end).state, "failed");
  assert.match(at(Date.UTC(2019, 0, 1)).detail, /not valid before 2020-01-01/);
});

test("an issuer's certificate that expires is reported, a root's is not", () => {
  const certificate = (subject: string, issuer: string, days: number) => ({
    subject,
    issuer,
    from: 0,
    until: NOW + days * DAY,
    fingerprint: subject,
  });
  const shown = (between: number, root: number): Shown => ({
    chain: [
      certificate("leaf", "between", 60),
      certificate("between", "root", between),
      certificate("root", "root", root),
    ],
    isForName: true,
    names: "",
    refusal: null,
  });
  assert.equal(judgeShown(shown(100, -1), "localhost", NOW).state, "ok");
  assert.deepEqual(judgeShown(shown(5, 100), "localhost", NOW).state, "warning");
  assert.match(judgeShown(shown(-1, 100), "localhost", NOW).detail, /issuer \(between\) has expired/);
});

test("a server that speaks no TLS, or says nothing at all, is an error and no hang", async (t) => {
  const { createServer } = await import("node:net");
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  const silent = createServer((socket) => void socket.on("error", () => {}));
  const at = async (one: typeof server) => ({
    address: "127.0.0.1",
    port: (await listen(t, one)).port,
    name: "localhost",
  });
  await assert.rejects(readCertificates(await at(server), signal()));
  const stop = new AbortController();
  const read = readCertificates(await at(silent), stop.signal);
  setTimeout(() => stop.abort(new Error("too late")), 50);
  await assert.rejects(read, /too late/);
});

const judgeFiles = (cert: string, key: string, host: string | null = "localhost", now = NOW): Promise<Finding> =>
  judgeListener({ cert, key }, host, now).catch(failureOf);

test("the listener's own files: they must be a pair, in date, and for the public name", async (t) => {
  const dir = tempFolder(t);
  const [good, key] = [pemFiles("good").cert, pemFiles("good").key];
  const nothing = join(dir, "nothing.pem");
  writeFileSync(nothing, "nothing\n");
  assert.equal((await judgeFiles(good, key)).state, "ok");
  assert.equal((await judgeFiles(good, key, null)).state, "ok");
  const cases: [Promise<Finding>, string, RegExp][] = [
    [judgeFiles(good, pemFiles("other").key), "failed", /other-key\.pem is not the key of .*good\.pem, whose first/],
    [judgeFiles(nothing, key), "failed", /holds no certificate/],
    [judgeFiles(good, nothing), "failed", /holds no private key/],
    [judgeFiles(good, key, "relay.example.com"), "warning", /is not for relay\.example\.com/],
    [judgeFiles(pemFiles("expired").cert, pemFiles("expired").key), "failed", /it expired 2020-03-01/],
    [judgeFiles(good, key, "localhost", Date.UTC(2119, 0, 1) - DAY), "warning", /it expires in 1 day$/],
  ];
  for (const [finding, state, detail] of cases) {
    const found = await finding;
    assert.equal(found.state, state, found.detail);
    assert.match(found.detail, detail);
  }
});

test("for a relay that still shows an older certificate the advice is to reload it", async (t) => {
  const shown = await show(t, "good");
  const file = join(tempFolder(t), "cert.pem");
  copyFileSync(pemFiles("good").cert, file);
  assert.equal((await judgeServed(shown, file)).state, "ok");
  writeFileSync(file, readFileSync(pemFiles("other").cert));
  const { state, advice } = await judgeServed(shown, file);
  assert.equal(state, "warning");
  assert.match(advice!, /reload/);
});
