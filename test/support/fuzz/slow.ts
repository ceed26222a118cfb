import { connect } from "node:net";
import { WEBHOOK } from "./case.ts";
import { judgeReply } from "./oracle.ts";
import { readReplies } from "./wire.ts";

/** Longer than the relay gives anybody: 30 s for a whole request, and a second or two until that is noticed. */
const PATIENCE = 45_000;

const HEAD = `POST ${WEBHOOK} HTTP/1.1\r\nHost: relay.test\r\n`;
const BODY = '{"wochitVideoId":"slow","type":"draft.delete"}';

/** Requests that never come to an end, and what is sent of them again and again, so that the connection is never idle. */
const SLOW: [about: string, first: string, drop: string][] = [
  ["no byte of a head", "", ""],
  ["half a head", HEAD, ""],
  ["a head that drips", HEAD, "X-Drip: 1\r\n"],
  ["half a body", `${HEAD}Content-Length: 4000\r\n\r\n${BODY}`, ""],
  ["a body that drips", `${HEAD}Content-Length: 4000\r\n\r\n${BODY}`, " "],
  ["chunks that drip", `${HEAD}Transfer-Encoding: chunked\r\n\r\n`, "1\r\n \r\n"],
];

/** Sends each of them, all at once: the relay must answer 408 (or, where nothing was asked, nothing) and hang up. */
export async function sendSlowly(port: number, problems: string[]): Promise<number> {
  await Promise.all(
    SLOW.map(async ([about, first, drop]) => {
      const { text, closed } = await drip(port, first, drop);
      if (!closed) problems.push(`slow: ${about}: the connection was still open after ${PATIENCE} ms`);
      const reply = readReplies(text, "POST", true)?.replies[0];
      if (reply === undefined) {
        if (first !== "") problems.push(`slow: ${about}: no answer`);
        return;
      }
      const why = reply.status === 408 ? judgeReply(reply, "POST") : `${reply.status} instead of 408`;
      if (why !== null) problems.push(`slow: ${about}: ${why}`);
    }),
  );
  return SLOW.length;
}

function drip(port: number, first: string, drop: string): Promise<{ text: Buffer; closed: boolean }> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    let text: Buffer = Buffer.alloc(0);
    const more = setInterval(() => drop !== "" && socket.writable && socket.write(drop), 1_000);
    const finish = (closed: boolean) => {
      clearInterval(more);
      clearTimeout(late);
      socket.destroy();
      resolve({ text, closed });
    };
    const late = setTimeout(() => finish(false), PATIENCE);
    socket.on("connect", () => first !== "" && socket.write(first));
    socket.on("data", (chunk) => {
      text = Buffer.concat([text, chunk]);
    });
    socket.on("close", () => finish(true));
    socket.on("error", () => {});
  });
}
