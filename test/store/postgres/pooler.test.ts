import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { inspectServer } from "../../../src/store/postgres/relays/inspect.ts";
import { listen } from "../../support/listen.ts";
import { noPostgres, startPostgres } from "../../support/postgres.ts";
import { realPorts } from "../../support/real-ports.ts";

const READY = Buffer.from("Z\0\0\0\x05I", "latin1");

/** Lends one session of a server to all who are let in, each for what it sends next. `renames`: statements keep apart. */
async function openPooler(t: TestContext, { renames }: { renames: boolean }): Promise<string> {
  const server = await startPostgres(t);
  let shared: Socket | null = null;
  let asks: Socket;
  let count = 0;
  const { port } = await listen(
    t,
    createServer((client) => {
      const nth = count++ % 10;
      const own = connect(server.port, "127.0.0.1");
      let to = own;
      for (const socket of [client, own]) socket.on("error", () => {});
      client.on("close", () => own !== shared && own.destroy());
      client.on("data", (bytes) => {
        if (to === shared) asks = client;
        const named = bytes.toString("latin1").replaceAll("wire_look", renames ? `wire_loo${nth}` : "wire_look");
        to.write(Buffer.from(named, "latin1"));
      });
      own.on("data", (bytes) => {
        (own === shared ? asks : client).write(bytes);
        if (to === own && own !== shared && bytes.subarray(-READY.length).equals(READY)) {
          shared ??= own;
          to = shared;
        }
      });
    }),
  );
  t.after(() => shared?.destroy());
  return server.url().replace(/:\d+\//, `:${port}/`);
}

for (const renames of [false, true]) {
  const how = renames ? "that keeps statements apart" : "that does not";
  test(`a pooler in transaction mode is found by what it does, one ${how}`, { skip: noPostgres }, async (t) => {
    await assert.rejects(inspectServer({ url: await openPooler(t, { renames }), ca: null }, realPorts()), {
      message:
        /a pooler in transaction mode lends its sessions out: name the server itself in store\.url, or set the pooler to session mode$/,
    });
  });
}
