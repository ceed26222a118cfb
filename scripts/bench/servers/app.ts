import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { reportReady } from "../child.ts";

/** An app that takes webhooks and answers 200 at once. It remembers when the first and the last one came, and all bodies. */

const bodies: Buffer[] = [];
let first = 0;
let last = 0;

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    last = performance.timeOrigin + performance.now();
    if (bodies.push(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)) === 1) first = last;
    response.end("ok");
  });
});

/** What an app has seen; times are milliseconds since 1970, with fractions. */
export type Seen = { count: number; first: number; last: number };

server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  reportReady({
    ready: { url: `http://127.0.0.1:${port}/hook` },
    answers: {
      seen: (): Seen => ({ count: bodies.length, first, last }),
      bodies: () => bodies.map((body) => body.toString()),
      forget: () => {
        bodies.length = 0;
        return true;
      },
    },
  });
});
