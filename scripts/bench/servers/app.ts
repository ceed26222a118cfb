import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { reportReady } from "../child.ts";

/**
 * An app that takes webhooks and answers 200 at once. It remembers when the first and the last one came, and all bodies. It can be
 * sent away, where it breaks every connection; when it is back, it takes a while for the first answers, so that one sees how
 * many requests are under way.
 */

const bodies: Buffer[] = [];
let first = 0;
let last = 0;
let isAway = false;
let broken = 0;
/** How many requests were under way as each of the first came after it was back, that one included. */
let flights: number[] = [];
let underWay = 0;

/** So many of the first ones after it was back are answered late, by so many milliseconds. */
const FIRST = 64;
const LATE = 10;

const server = createServer((request, response) => {
  if (isAway) {
    broken++;
    request.socket.destroy();
    return;
  }
  const chunks: Buffer[] = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    last = performance.timeOrigin + performance.now();
    if (bodies.push(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)) === 1) first = last;
    if (broken === 0 || flights.length >= FIRST) return void response.end("ok");
    flights.push(++underWay);
    setTimeout(() => {
      underWay--;
      response.end("ok");
    }, LATE);
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
      away: () => {
        isAway = true;
        broken = 0;
        flights = [];
        return true;
      },
      broken: () => broken,
      back: () => {
        isAway = false;
        return true;
      },
      flights: () => flights,
      bodies: () => bodies.map((body) => body.toString()),
      forget: () => {
        bodies.length = 0;
        broken = 0;
        return true;
      },
    },
  });
});
