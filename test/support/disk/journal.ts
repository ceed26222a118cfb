import { readFileSync } from "node:fs";

/** One thing that happened, as recorder.c wrote it down. Files are numbers, names absolute paths. */
export type Step =
  | { is: "create"; file: number; path: string }
  | { is: "write"; file: number; at: number; bytes: Buffer }
  | { is: "truncate"; file: number; length: number }
  | { is: "sync" | "failed sync"; file: number }
  | { is: "sync folder"; path: string }
  | { is: "rename"; from: string; to: string }
  | { is: "link"; from: string; to: string }
  | { is: "unlink"; path: string }
  | { is: "mkdir"; path: string }
  | { is: "rmdir"; path: string }
  | { is: "answer"; text: string };

const HEAD = 25;

/** What is recorded of one step: kind, file, offset or length, and two strings. */
function toStep(kind: string, file: number, at: number, first: Buffer, second: Buffer): Step {
  switch (kind) {
    case "c":
      return { is: "create", file, path: first.toString() };
    case "w":
      return { is: "write", file, at, bytes: second };
    case "t":
      return { is: "truncate", file, length: at };
    case "s":
      return { is: "sync", file };
    case "e":
      return { is: "failed sync", file };
    case "d":
      return { is: "sync folder", path: first.toString() };
    case "r":
      return { is: "rename", from: first.toString(), to: second.toString() };
    case "l":
      return { is: "link", from: first.toString(), to: second.toString() };
    case "u":
      return { is: "unlink", path: first.toString() };
    case "m":
      return { is: "mkdir", path: first.toString() };
    case "x":
      return { is: "rmdir", path: first.toString() };
    case "a":
      return { is: "answer", text: second.toString("latin1") };
    default:
      throw new Error(`the journal holds a step of no known kind: ${JSON.stringify(kind)}`);
  }
}

/** All steps, in their order; one that a kill has cut off is left out. */
export function readJournal(path: string): Step[] {
  const all = readFileSync(path);
  const steps: Step[] = [];
  let at = 0;
  while (at + HEAD <= all.length) {
    const kind = String.fromCharCode(all[at]!);
    const file = Number(all.readBigUInt64LE(at + 1));
    const place = Number(all.readBigInt64LE(at + 9));
    const first = all.readUInt32LE(at + 17);
    const second = all.readUInt32LE(at + 21);
    const end = at + HEAD + first + second;
    if (end > all.length) break;
    steps.push(
      toStep(kind, file, place, all.subarray(at + HEAD, at + HEAD + first), all.subarray(at + HEAD + first, end)),
    );
    at = end;
  }
  return steps;
}
