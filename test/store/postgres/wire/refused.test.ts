import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore } from "../../../../src/store/open.ts";
import { configIn } from "../../../support/config.ts";
import { tempFolder } from "../../../support/folder.ts";
import { noPostgres, startPostgres } from "../../../support/postgres.ts";
import { realPorts } from "../../../support/real-ports.ts";
import { outcomeOf, testWire } from "../../../support/wire.ts";

test("who is not let in by the server reads in one line what to do", { skip: noPostgres }, async (t) => {
  const server = await startPostgres(t, { access: ["host all reader 127.0.0.1/32 scram-sha-256"] });
  await server.ask("CREATE ROLE reader LOGIN PASSWORD 'right'; CREATE ROLE guest LOGIN");
  const at = (who: string, database = "postgres") => server.url(database).replace("postgres@", `${who}@`);
  const reason = async (url: string) => {
    const { message } = (await outcomeOf(testWire(t, url))) as Error;
    assert.match(message, /^no PostgreSQL of store\.url takes writes: 127\.0\.0\.1:\d+ .+$/);
    return message;
  };
  assert.match(await reason(at("reader:wrong")), /\(28P01\): store\.url has another password than the role$/);
  assert.match(await reason(at("reader")), / asks for a password: store\.url has none$/);
  assert.match(await reason(at("guest", "nothing")), /\(3D000\): make it, or name another one in store\.url$/);

  const config = configIn(tempFolder(t), { store: { url: at("guest") }, mirror: { enabled: false } });
  await assert.rejects(openStore(config, realPorts(), { role: "relay", onThread: false }), {
    code: "conflict",
    message: /^the role of store\.url may not use its database: .+ \(42501\); give it a database that it owns$/,
  });
});
