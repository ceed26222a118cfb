import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { noPostgres, startPostgres } from "../../../support/postgres.ts";
import { AUTHORITY, type Pem, pemFiles } from "../../../support/tls-server.ts";
import { statement, testWire } from "../../../support/wire.ts";

const skip = noPostgres;
const ca = readFileSync(AUTHORITY, "utf8");

/** The address of a server with this certificate, by the name that the good one is for. */
async function urlOf(t: Parameters<typeof startPostgres>[0], pem: Pem | null): Promise<string> {
  const server = await startPostgres(t, pem === null ? {} : { certificate: pemFiles(pem) });
  return `${server.url().replace("127.0.0.1", "localhost")}?sslmode=verify-full`;
}

test("the server's certificate is verified by the authority of the config, and the connection is encrypted", {
  skip,
}, async (t) => {
  const url = await urlOf(t, "good");
  const wire = await testWire(t, url, { ca });
  const { rows } = await wire.query(statement("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"));
  assert.deepEqual(rows, [{ ssl: true }]);
  await assert.rejects(testWire(t, url), {
    code: "store_unavailable",
    message: /certificate|authority|UnknownIssuer|SELF_SIGNED/i,
  });
});

test("a certificate for another name is refused", { skip }, async (t) => {
  await assert.rejects(testWire(t, await urlOf(t, "other"), { ca }), { message: /name|altname|NotValidForName/i });
});

test("a server without TLS is refused", { skip }, async (t) => {
  await assert.rejects(testWire(t, await urlOf(t, null), { ca }), { message: /does not support SSL/ });
});
