import type { Random } from "../../../src/ports.ts";
import { pick } from "../../../src/simulator/events.ts";
import type { Head } from "./case.ts";
import { mutate } from "./mutate.ts";

/** X-Forwarded-For as proxies write it, and as attackers do. The right-most address that is not the proxy's counts. */
export function forwardedFor(random: Random): { sender: "allowed" | "refused" | "either"; head: Head } {
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
export function randomHeaders(random: Random): Head {
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
