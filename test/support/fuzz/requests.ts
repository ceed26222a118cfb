import type { Random } from "../../../src/domain.ts";
import { pick } from "../../../src/simulator/random.ts";
import { type Body, type Ground, makeBody } from "./bodies.ts";
import { mutate } from "./mutate.ts";
import { OTHER_PATHS, WEBHOOK_PATHS } from "./paths.ts";

/** What an answer must be. */
export type Expectation =
  /** A whole webhook: 200 for an event, 400 for anything else; 403 where the sender is none that is allowed. */
  | { is: "webhook"; sender: "allowed" | "refused" | "either" }
  /** One of these. */
  | { is: "one of"; statuses: number[] }
  /** A whole request of an odd sort: anything documented; a 200 only for what is an event. */
  | { is: "documented" }
  /** Its framing cannot be trusted: refused, or no answer at all, but never taken. */
  | { is: "refused" }
  /** Perhaps no request at all: anything documented, or nothing. */
  | { is: "anything" };

/** One request. */
export type Case = {
  about: string;
  method: string;
  bytes: Uint8Array;
  /** The body, where the request is a whole POST. */
  body: Uint8Array | null;
  expects: Expectation;
  /** Over a connection that is kept, or over one of its own, in so many pieces. */
  alone: { pieces: number } | null;
};

export const WEBHOOK = "/webhooks/wochit";
export const MAX_BODY = 2 ** 20;
/** The relay trusts this machine as a proxy; these are senders that it allows, and some that it does not. */
export const ALLOWED = ["127.0.0.1", "192.0.2.0/24", "2001:db8::/32"];

type Head = [name: string, value: string][];

/** Any request. */
export function makeCase(random: Random, ground: Ground): Case {
  const dice = random.float();
  if (dice < 0.7) return webhookPost(random, makeBody(random, ground));
  if (dice < 0.703) return tooLarge(random);
  if (dice < 0.86) return otherRequest(random, ground);
  return pick(random, [badFraming, badFraming, badHead, badHead, brokenOff, mutatedRequest, tooManyHeaders, hugeHead])(
    random,
  );
}

function webhookPost(random: Random, { about, bytes: body }: Body): Case {
  const { sender, head: from } = forwardedFor(random);
  const head: Head = [...randomHeaders(random), ...from, ["Host", "relay.test"]];
  const isChunked = random.float() < 0.15;
  head.push(isChunked ? ["Transfer-Encoding", "chunked"] : ["Content-Length", String(body.length)]);
  const alone = random.float() < 0.1 ? { pieces: 1 + Math.floor(random.float() * 6) } : null;
  if (alone) head.push(["Connection", "close"]);
  return {
    about: `${about}${isChunked ? ", in chunks" : ""}, sender ${sender}`,
    method: "POST",
    bytes: request(`POST ${WEBHOOK} HTTP/1.1`, head, isChunked ? inChunks(random, body) : body),
    body,
    expects: { is: "webhook", sender },
    alone,
  };
}

/** X-Forwarded-For as proxies write it, and as attackers do. The right-most address that is not the proxy's counts. */
function forwardedFor(random: Random): { sender: "allowed" | "refused" | "either"; head: Head } {
  const dice = random.float();
  const name = pick(random, ["X-Forwarded-For", "x-forwarded-for", "X-FORWARDED-FOR"]);
  if (dice < 0.8) return { sender: "allowed", head: [] };
  if (dice < 0.87) {
    const good = pick(random, [
      "192.0.2.7",
      "2001:db8::7",
      "::ffff:192.0.2.9",
      "[2001:db8::1]:443",
      "192.0.2.7:1234",
      "8.8.8.8, 192.0.2.7",
      "garbage, 192.0.2.7, 127.0.0.1",
      "192.0.2.1 ,127.0.0.1",
    ]);
    return { sender: "allowed", head: [[name, good]] };
  }
  if (dice < 0.94) {
    const bad = pick(random, [
      "8.8.8.8",
      "192.0.2.7, 8.8.8.8",
      "127.0.0.1, 8.8.8.8",
      "garbage",
      "192.0.2.7, garbage",
      "192.0.2.7,",
      ",",
      "192.0.2.256",
      "192.0.2.7/24",
      "192.0.2",
      "0xc0.0.2.7",
      "3221225991",
      "::ffff:8.8.8.8",
      "[::1",
      "unknown",
      "_hidden",
      "localhost",
      "192.0.2.7 8.8.8.8",
      "192.0.2.7;8.8.8.8",
      '"192.0.2.7"',
      "for=192.0.2.7",
      "\u00ff",
      "8.8.8.8%eth0",
      "1".repeat(5_000),
      "a,".repeat(3_000),
      "127.0.0.1,".repeat(40),
      `192.0.2.7${" ".repeat(200)}x`,
      "::".repeat(300),
    ]);
    return { sender: "refused", head: [[name, bad]] };
  }
  if (dice < 0.96)
    return {
      sender: "refused",
      head: [
        [name, "192.0.2.7"],
        [name, "8.8.8.8"],
      ],
    };
  const noise = Buffer.from(random.bytes(1 + Math.floor(random.float() * 60)))
    .toString("latin1")
    .replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ",");
  return {
    sender: "either",
    head: [
      [
        name,
        random.float() < 0.5
          ? noise
          : Buffer.from(mutate(random, Buffer.from("192.0.2.7, 127.0.0.1")))
              .toString("latin1")
              .replace(/[\x00-\x08\x0a-\x1f\x7f]/g, "."),
      ],
    ],
  };
}

/** Headers that change nothing, or must change nothing. */
function randomHeaders(random: Random): Head {
  const choices: Head = [
    [
      "Content-Type",
      pick(random, [
        "application/json",
        "text/plain",
        "",
        "application/json; charset=utf-16",
        "multipart/form-data",
        "\u00ff",
        "a/b;".repeat(100),
      ]),
    ],
    ["User-Agent", pick(random, ["", "curl/8", "x".repeat(4_000), "\u00e9\u00ff"])],
    ["Content-Encoding", pick(random, ["gzip", "br", "identity", "x"])],
    ["Accept", "*/*"],
    ["Expect", "100-continue"],
    ["Forwarded", "for=8.8.8.8;proto=https"],
    ["X-Real-IP", "8.8.8.8"],
    ["X-Forwarded-Host", "evil.test"],
    ["X-HTTP-Method-Override", "GET"],
    ["X-Original-URL", "/healthz"],
    ["Cookie", "a=b; ".repeat(200)],
    ["Authorization", pick(random, ["Basic Og==", "Bearer ", "\u00ff"])],
    ["Origin", "null"],
    ["If-None-Match", "*"],
    ["Range", "bytes=0-"],
    ["Trailer", "x-trailer"],
    ["__proto__", "x"],
    ["constructor", "x"],
    ["X-Empty", ""],
    ["X-Tab", "\tvalue\t"],
  ];
  return choices.filter(() => random.float() < 0.08);
}

function tooLarge(random: Random): Case {
  const size = pick(random, [MAX_BODY + 1, MAX_BODY + 5_000, 2 * MAX_BODY, 20 * MAX_BODY]);
  // Of the largest only the announcement is sent.
  const body = new Uint8Array(size > 2 * MAX_BODY ? 0 : size).fill(0x20);
  return {
    about: `a body of ${size} bytes`,
    method: "POST",
    bytes: request(
      `POST ${WEBHOOK} HTTP/1.1`,
      [
        ["Host", "relay.test"],
        ["Content-Length", String(size)],
        ["Connection", "close"],
      ],
      body,
    ),
    body: null,
    expects: { is: "one of", statuses: [413] },
    alone: { pieces: 1 },
  };
}

function otherRequest(random: Random, ground: Ground): Case {
  const method = pick(random, [
    "GET",
    "GET",
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "PURGE",
    "QUERY",
  ]);
  const body = method === "POST" || method === "PUT" ? makeBody(random, ground).bytes : null;
  const isWebhook = random.float() < 0.4;
  const [path, statuses] = isWebhook ? [pick(random, WEBHOOK_PATHS), null] : pick(random, OTHER_PATHS);
  const head: Head = [...randomHeaders(random).filter(([name]) => name !== "Expect"), ["Host", "relay.test"]];
  if (body) head.push(["Content-Length", String(body.length)]);
  const isPlain = method === "GET" || method === "HEAD";
  return {
    about: `${method} ${path.slice(0, 200)}`,
    method,
    bytes: request(`${method} ${path} HTTP/1.1`, head, body ?? new Uint8Array()),
    body: method === "POST" && isWebhook ? body : null,
    expects:
      isWebhook || statuses === null
        ? { is: "documented" }
        : { is: "one of", statuses: isPlain ? statuses : [404, 405, ...(statuses.includes(400) ? [400] : [])] },
    alone: null,
  };
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
    [
      "a chunk extension without end",
      [["Transfer-Encoding", "chunked"]],
      `${length.toString(16)};${"a".repeat(40_000)}\r\n${body}\r\n0\r\n\r\n`,
    ],
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

/** A body in chunks of any size, with extensions and trailers that mean nothing. */
function inChunks(random: Random, body: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, 1 + Math.floor(random.float() ** 3 * 70_000));
    const extension = random.float() < 0.1 ? ";a=b" : "";
    parts.push(Buffer.from(`${size.toString(16)}${extension}\r\n`), body.subarray(at, at + size), Buffer.from("\r\n"));
    at += size;
  }
  parts.push(Buffer.from(`0\r\n${random.float() < 0.1 ? "x-trailer: 1\r\n" : ""}\r\n`));
  return Buffer.concat(parts);
}

function request(line: string, head: Head, body: Uint8Array): Uint8Array {
  const text = `${line}\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return Buffer.concat([Buffer.from(text, "latin1"), body]);
}
