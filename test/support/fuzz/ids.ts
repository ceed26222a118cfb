import type { Random } from "../../../src/ports.ts";
import { inventVideoId, pick } from "../../../src/simulator/events.ts";

/** Text that could lead a path astray; each is a usable id (CONTRACT, "Usable id") unless said. `outside` is a folder of the run. */
export function pathIds(outside: string): string[] {
  return [
    "..",
    ".",
    "../..",
    "../../..",
    "../../../../evil",
    "..\\..\\evil",
    "....//....//evil",
    "..;/evil",
    "a/../../../evil",
    `${outside}/evil`,
    `${"../".repeat(6)}${outside.slice(1)}/evil`,
    `file://${outside}/evil`,
    "/etc/passwd",
    "C:\\Windows\\evil",
    "\\\\server\\share\\evil",
    "//server/share",
    "~",
    "~root",
    "-rf",
    "--",
    "%2e%2e%2fevil",
    "%2E%2E/%2E%2E/evil",
    "%00",
    "..%c0%af..%c0%afevil",
    "%252e%252e%252f",
    "CON",
    "con",
    "NUL.mp4",
    "aux",
    "COM1",
    "LPT9.txt",
    "relay.db",
    "relay.db-wal",
    "spool",
    ".incoming",
    ".hidden",
    "trailing.",
    "trailing ",
    " leading",
    "a:b",
    "a:$DATA",
    "a|b",
    "a*b?",
    '"quoted"',
    "<script>alert(1)</script>",
    "'; DROP TABLE events; --",
    "$(touch evil)",
    "`touch evil`",
    "{videoId}",
    "{kind}{ext}",
    "$HOME",
    "$&",
    "$1",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "null",
    "undefined",
    "NaN",
    "0",
    "-1",
    "1e999",
    "[object Object]",
    "true",
  ];
}

/** Ids that are equal to some eyes, or to some file systems, and are different ids all the same. */
export const TWINS: string[] = [
  "video-a",
  "Video-A",
  "VIDEO-A",
  "v\u0131deo-a", // a dotless i
  "\u00e9l\u00e8ve", // NFC
  "e\u0301le\u0300ve", // NFD
  "\u212bngstrom", // the Angstrom sign,
  "\u00c5ngstrom", // the letter it normalises to
  "\ufb01lm", // a ligature
  "film",
  "stra\u00dfe",
  "strasse",
  "\uff0e\uff0e\uff0fevil", // fullwidth ../evil
  "..\u2215evil", // a division slash
  "..\u2044evil", // a fraction slash
  "\u202etpm.oediv", // right-to-left override
  "video\u200d-a", // zero-width joiner
  "video\ufeff-a",
  "\u2028",
  "👨‍👩‍👧‍👦",
  "ไทย",
  "﷽",
  "z\u0300\u0301\u0302\u0303\u0304\u0305\u0306",
  "a".repeat(256),
  "A".repeat(256),
  "é".repeat(128),
  "👍".repeat(64),
  `${"../".repeat(84)}evil`,
];

/** Not usable: too long by a byte, empty, control characters, lone surrogates. */
export const UNUSABLE: string[] = [
  "",
  "a".repeat(257),
  "é".repeat(129),
  `${"👍".repeat(64)}a`,
  "a".repeat(100_000),
  "\u0000",
  "a\u0000b",
  "line\nbreak",
  "tab\t",
  "\u001b[2J",
  "\u007f",
  "\u0085",
  "\u009f",
  "\ud800",
  "a\udc00b",
  "\udc00\ud800",
];

/** An id of any sort. */
export function anyId(random: Random, outside: string): string {
  const dice = random.float();
  if (dice < 0.35) return inventVideoId(random);
  if (dice < 0.6) return pick(random, pathIds(outside));
  if (dice < 0.8) return pick(random, TWINS);
  if (dice < 0.9) return pick(random, UNUSABLE);
  return String.fromCharCode(
    ...Array.from({ length: 1 + Math.floor(random.float() * 12) }, () => Math.floor(random.float() * 0xffff)),
  );
}
