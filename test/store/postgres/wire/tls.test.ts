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
    message: /UnknownIssuer|is not trusted \(\w+\): install .*, or name its file in store\.ca$/,
  });
});

test("a certificate for another name is refused", { skip }, async (t) => {
  const message = /NotValidForName|altname.*: store\.url must name the host as its certificate does$/;
  await assert.rejects(testWire(t, await urlOf(t, "other"), { ca }), { message });
});

test("a server without TLS is refused", { skip }, async (t) => {
  const message = /does not support SSL connections: turn TLS on there, or, .* add sslmode=disable to store\.url$/;
  await assert.rejects(testWire(t, await urlOf(t, null), { ca }), { message });
});

test("a server that lets in by TLS alone is named where the address turns it off", { skip }, async (t) => {
  const access = ["hostnossl all reader 127.0.0.1/32 reject"];
  const server = await startPostgres(t, { certificate: pemFiles("good"), access });
  await server.ask("CREATE ROLE reader LOGIN");
  const url = server.url().replace("postgres@", "reader@");
  await assert.rejects(testWire(t, `${url}?sslmode=disable`), {
    message: /no encryption \(28000\): where it takes TLS only, sslmode=disable must go from store\.url$/,
  });
});
