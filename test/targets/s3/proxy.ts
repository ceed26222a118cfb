import { Agent, createServer, type IncomingMessage, request } from "node:http";
import type { TestContext } from "node:test";
import { listen } from "../../support/listen.ts";

/** What happens to a request: its connection breaks, the store is busy, refuses it, or does it and the answer is lost. */
export type Fault = "reset" | "503" | "400" | "lost" | null;

export type FaultyProxy = { endpoint: string; fault: (request: IncomingMessage) => Fault };

/** Stands between a client and a store, and lets go wrong what `fault` says. */
export async function faultyProxy(t: TestContext, store: string): Promise<FaultyProxy> {
  const agent = new Agent({ keepAlive: true });
  const server = createServer((given, response) => {
    const fault = proxy.fault(given);
    if (fault === "reset") return void given.socket.destroy();
    if (fault === "503" || fault === "400") {
      given.resume();
      given.on("end", () => response.writeHead(Number(fault)).end("<Error><Code>Played</Code></Error>"));
      return;
    }
    const { hostname, port } = new URL(store);
    const options = { hostname, port, path: given.url, method: given.method, headers: given.headers, agent };
    const passed = request(options, (answer) => {
      if (fault === "lost") {
        answer.resume();
        answer.on("end", () => given.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => given.socket.destroy());
    given.on("close", () => given.complete || passed.destroy());
    given.pipe(passed);
  });
  t.after(() => agent.destroy());
  const proxy: FaultyProxy = {
    endpoint: (await listen(t, server)).url,
    fault: () => null,
  };
  return proxy;
}
