import type { Random } from "../../../src/ports.ts";
import { pick } from "../../../src/simulator/events.ts";
import { type Case, type Head, request, WEBHOOK } from "./case.ts";
import { mutate } from "./mutate.ts";

/** A request that is none, or that no server should trust. */
export function brokenRequest(random: Random): Case {
  return pick(random, [badFraming, badFraming, badHead, badHead, brokenOff, mutatedRequest, tooManyHeaders, hugeHead])(
    random,
  );
}

/** Two ideas of where the request ends. Whoever guesses lets others' requests in (RFC 9112 §11.2). */
function badFraming(random: Random): Case {
  const body = '{"wochitVideoId":"smuggled","type":"draft.delete"}';
  const length = Buffer.byteLength(body);
  const chunked = `${length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const inner = `POST ${WEBHOOK} HTTP/1.1\r\nHost: relay.test\r\nContent-Length: ${length}\r\n\r\n${body}`;
  const [about, head, sent] = pick(random, [
    [
      "content-length and chunked",
      [
        ["Content-Length", String(length)],
        ["Transfer-Encoding", "chunked"],
      ],
      chunked,
    ],
    [
      "chunked and content-length",
      [
        ["Transfer-Encoding", "chunked"],
        ["Content-Length", "4"],
      ],
      chunked + inner,
    ],
    [
      "two lengths",
      [
        ["Content-Length", String(length)],
        ["Content-Length", "3"],
      ],
      body,
    ],
    ["a list of lengths", [["Content-Length", `${length}, 3`]], body],
    ["a length with a sign", [["Content-Length", `+${length}`]], body],
    ["a negative length", [["Content-Length", "-1"]], body],
    ["a hexadecimal length", [["Content-Length", `0x${length.toString(16)}`]], body],
    ["a length in words", [["Content-Length", "many"]], body],
    ["an empty length", [["Content-Length", ""]], body],
    ["a length beyond numbers", [["Content-Length", "9".repeat(40)]], body],
    ["a blank before the colon", [["Content-Length ", String(length)]], body],
    ["chunked twice", [["Transfer-Encoding", "chunked, chunked"]], chunked],
    ["chunked not last", [["Transfer-Encoding", "chunked, identity"]], chunked],
    ["an unknown coding", [["Transfer-Encoding", "xchunked"]], chunked],
    ["a chunk size with a sign", [["Transfer-Encoding", "chunked"]], `+${chunked}`],
    ["a chunk size in words", [["Transfer-Encoding", "chunked"]], `zz\r\n${body}\r\n0\r\n\r\n`],
    ["an empty chunk size", [["Transfer-Encoding", "chunked"]], `\r\n${body}\r\n0\r\n\r\n`],
    ["a chunk size beyond numbers", [["Transfer-Encoding", "chunked"]], `${"f".repeat(40)}\r\n${body}`],
    ["a chunk longer than told", [["Transfer-Encoding", "chunked"]], `3\r\n${body}\r\n0\r\n\r\n`],
    ["a chunk with a bare line feed", [["Transfer-Encoding", "chunked"]], chunked.replaceAll("\r\n", "\n")],
  ] as [string, Head, string][]);
  return {
    about: `framing: ${about}`,
    method: "POST",
    bytes: request(`POST ${WEBHOOK} HTTP/1.1`, [["Host", "relay.test"], ...head], Buffer.from(sent)),
    body: null,
    expects: { is: "refused" },
    alone: { pieces: random.float() < 0.3 ? 5 : 1 },
  };
}

const WHOLE = `{"wochitVideoId":"odd-head","type":"draft.delete"}`;

/** Heads that are not as they should be, around a body that is an event. */
function badHead(random: Random): Case {
  const tail = `Content-Length: ${WHOLE.length}\r\nConnection: close\r\n\r\n${WHOLE}`;
  const [about, text] = pick(random, [
    ["no host", `POST ${WEBHOOK} HTTP/1.1\r\n${tail}`],
    ["two hosts", `POST ${WEBHOOK} HTTP/1.1\r\nHost: a\r\nHost: b\r\n${tail}`],
    [
      "an odd host",
      `POST ${WEBHOOK} HTTP/1.1\r\nHost: ${pick(random, ["]]", "[", "a b", "a:99999", "\u0001", "é", "a@b", "a/b", "a?b", "a#b", "%00", "", " "])}\r\n${tail}`,
    ],
    ["a folded header", `POST ${WEBHOOK} HTTP/1.1\r\nHost: a\r\nX-Folded: a\r\n b\r\n${tail}`],
    ["a blank first", `POST ${WEBHOOK} HTTP/1.1\r\n Host: a\r\n${tail}`],
    ["no colon", `POST ${WEBHOOK} HTTP/1.1\r\nHost: a\r\nnonsense\r\n${tail}`],
    ["an empty name", `POST ${WEBHOOK} HTTP/1.1\r\nHost: a\r\n: empty\r\n${tail}`],
    ["a NUL in a header", `POST ${WEBHOOK} HTTP/1.1\r\nHost: a\r\nX-Nul: a\u0000b\r\n${tail}`],
    ["a bare carriage return", `POST ${WEBHOOK} HTTP/1.1\r\nHost: a\r\nX-Cr: a\rb\r\n${tail}`],
    ["bare line feeds", `POST ${WEBHOOK} HTTP/1.1\nHost: a\n${tail.replaceAll("\r\n", "\n")}`],
    ["an old version", `POST ${WEBHOOK} HTTP/1.0\r\n${tail}`],
    [
      "a version to come",
      `POST ${WEBHOOK} HTTP/${pick(random, ["2.0", "9.9", "1.2", "0.9", "1", "a.b"])}\r\nHost: a\r\n${tail}`,
    ],
    ["no version", `POST ${WEBHOOK}\r\n${tail}`],
    [
      "a method nobody knows",
      `${pick(random, ["post", "Post", "WEBHOOK", "P\u0000ST", "P ST", "CONNECT", "PRI", "X".repeat(5_000), "é"])} ${WEBHOOK} HTTP/1.1\r\nHost: a\r\n${tail}`,
    ],
    [
      "an upgrade",
      `POST ${WEBHOOK} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${pick(random, ["websocket", "h2c", "é", ""])}\r\n${tail}`,
    ],
    ["an expectation nobody knows", `POST ${WEBHOOK} HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n${tail}`],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0000\u0000"],
    ["TLS", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003"],
    [
      "an absolute target",
      `POST http://${pick(random, ["relay.test", "evil.test", "[", "a@b", ""])}${WEBHOOK} HTTP/1.1\r\nHost: a\r\n${tail}`,
    ],
    ["an asterisk", `OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`],
    ["a target without a slash", `POST webhooks/wochit HTTP/1.1\r\nHost: a\r\n${tail}`],
    ["blanks in the target", `POST ${WEBHOOK} x HTTP/1.1\r\nHost: a\r\n${tail}`],
    ["a raw byte in the target", `POST ${WEBHOOK}\u00ff HTTP/1.1\r\nHost: a\r\n${tail}`],
    ["a NUL in the target", `POST ${WEBHOOK}\u0000 HTTP/1.1\r\nHost: a\r\n${tail}`],
    [
      "an endless chunk extension",
      `POST ${WEBHOOK} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${WHOLE.length.toString(16)};${"a".repeat(40_000)}\r\n${WHOLE}\r\n0\r\n\r\n`,
    ],
    ["empty lines first", `\r\n\r\n\r\nPOST ${WEBHOOK} HTTP/1.1\r\nHost: a\r\n${tail}`],
  ] as [string, string][]);
  return {
    about: `head: ${about}`,
    method: text.slice(0, 4) === "HEAD" ? "HEAD" : "POST",
    bytes: Buffer.from(text, "latin1"),
    body: Buffer.from(WHOLE),
    expects: { is: "anything" },
    alone: { pieces: random.float() < 0.3 ? 7 : 1 },
  };
}

/** The sender goes away in the middle: nothing may be taken. */
function brokenOff(random: Random): Case {
  const whole = request(
    `POST ${WEBHOOK} HTTP/1.1`,
    [
      ["Host", "relay.test"],
      ["Content-Length", String(WHOLE.length)],
    ],
    Buffer.from(WHOLE),
  );
  const bytes = whole.subarray(0, Math.floor(random.float() * whole.length));
  return {
    about: `broken off after ${bytes.length} bytes`,
    method: "POST",
    bytes,
    body: null,
    expects: { is: "refused" },
    alone: { pieces: 2 },
  };
}

function mutatedRequest(random: Random): Case {
  const whole = request(
    `POST ${WEBHOOK} HTTP/1.1`,
    [
      ["Host", "relay.test"],
      ["X-Forwarded-For", "192.0.2.7"],
      ["Content-Length", String(WHOLE.length)],
      ["Connection", "close"],
    ],
    Buffer.from(WHOLE),
  );
  return {
    about: "a mutated request",
    method: "POST",
    bytes: mutate(random, whole),
    body: null,
    expects: { is: "anything" },
    alone: { pieces: 1 },
  };
}

/** The proxy's word on the sender comes last, behind more headers than a server may care to keep. */
function tooManyHeaders(random: Random): Case {
  const count = pick(random, [90, 500, 1_000, 1_990, 2_010, 2_400]);
  const head = Array.from({ length: count }, () => ["a", ""] as [string, string]);
  head.push(
    ["Host", "relay.test"],
    ["Content-Length", String(WHOLE.length)],
    ["Connection", "close"],
    ["X-Forwarded-For", "8.8.8.8"],
  );
  return {
    about: `${count} headers, and then the sender`,
    method: "POST",
    bytes: request(`POST ${WEBHOOK} HTTP/1.1`, head, Buffer.from(WHOLE)),
    body: null,
    expects: { is: "one of", statuses: [400, 403, 431] },
    alone: { pieces: 1 },
  };
}

function hugeHead(random: Random): Case {
  const size = pick(random, [17_000, 40_000, 200_000]);
  const head: Head =
    random.float() < 0.5
      ? [["X-Huge", "x".repeat(size)]]
      : Array.from({ length: size / 100 }, (_, n) => [`X-${n}`, "x".repeat(90)]);
  const target = random.float() < 0.3 ? `${WEBHOOK}?${"q".repeat(size)}` : WEBHOOK;
  return {
    about: `a head of more than ${size} bytes`,
    method: "POST",
    bytes: request(
      `POST ${target} HTTP/1.1`,
      [["Host", "relay.test"], ...head, ["Content-Length", "0"]],
      new Uint8Array(),
    ),
    body: null,
    expects: { is: "refused" },
    alone: { pieces: 1 },
  };
}
