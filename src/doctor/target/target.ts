import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf } from "../../errors.ts";
import { giveToOwnerOf } from "../../platform/files/file-system.ts";
import { sha256Of } from "../../platform/files/sha256.ts";
import { readDate } from "../../platform/net/ask-relay.ts";
import type { Clock } from "../../ports.ts";
import { type Target, typeOf } from "../../targets/table.ts";
import type { About, MirrorTarget } from "../../targets/target.ts";
import type { ProbeFacts } from "../../targets/type.ts";
import type { JudgeWritable } from "../files/writable.ts";
import { CONNECT, judgeServer } from "../network/certificate.ts";
import type { Dates } from "../network/clock.ts";
import { explain } from "../network/errors.ts";
import { type Finding, failed, inTime, of, ok, TooLate, warning } from "../probe.ts";

/** Milliseconds for a step with a small file, and with a file in parts. */
const STEP = 30_000;
const LARGE_STEP = 180_000;

const SMALL = 1_000;

/** The verbs of a target that the probe uses. */
type Tried = Pick<MirrorTarget, "head" | "read" | "delete" | "oddities" | "close"> & {
  put(...given: Parameters<MirrorTarget["put"]>): Promise<unknown>;
};

export type TargetGiven = {
  target: Target;
  open(target: Target): Promise<Tried>;
  /**
   * The same for every doctor of this data folder, and for no other: the next doctor removes what a killed one left.
   */
  mark: string;
  tempDir: string;
  user: number | null;
  /** Whether the relay itself can write to a folder. */
  judge: JudgeWritable;
  clock: Clock;
  dates: Dates;
};

/**
 * Puts a file into the target, looks it up, reads it back and removes it. No medium can have its key: no id yields a
 * name that begins with `~`. A second file goes in parts, where the target has parts.
 */
export async function judgeTarget(given: TargetGiven, progress: (how: string) => void): Promise<Finding[]> {
  const { clock, judge, target, dates, mark, tempDir, user } = given;
  const facts = typeOf(target).probe(target);
  const { folder, server, partSize } = facts;
  const findings: Finding[] = [];
  if (folder !== null) {
    const { isThere, ...judged } = await inTime({ clock, ms: STEP }, () => judge(folder));
    if (judged.state === "failed") return [of("copy", judged)];
    if (!isThere) return [of("copy", { ...judged, state: "warning" })];
    if (judged.state !== "ok") findings.push(of("folder", judged));
  }
  const unreadable = await inTime({ clock, ms: STEP }, facts.unreadable);
  if (unreadable !== null) findings.push(of("rights", warning(unreadable.detail, unreadable.advice)));
  if (server !== null) {
    progress("connecting");
    const { url, option, name } = server;
    if (url.protocol === "https:") {
      // Whether it is trusted shows when the target's own client sends the first file.
      const how = { option, reach: `check ${option}`, trusts: false };
      findings.push(of("certificate", await judgeServer(url, clock, how)));
    }
    const sent = clock.now();
    const date = await inTime({ clock, ms: CONNECT }, (signal) => readDate(url, signal)).catch(() => null);
    if (date !== null) dates.push({ source: name, date, sent, received: clock.now() });
  }
  // On the same disk a copy is a hard link, as the relay makes it.
  const file = folder
    ? join(folder.dir, `.doctor-${mark}`)
    : join(await mkdtemp(join(tempDir, "wochit-relay-doctor-")), "file");
  try {
    progress("a small file");
    const small = await roundTrip(file, SMALL, given, facts);
    findings.push(of("copy", small));
    if (small.state === "failed" || partSize === null) return findings;
    progress("a file in parts");
    return [...findings, of("multipart", await roundTrip(file, partSize + SMALL, given, facts))];
  } finally {
    await rm(folder ? file : dirname(file), { recursive: true, force: true }).catch(() => {});
    // The relay could not use what root made in its folder.
    if (folder && user === 0) await giveToOwnerOf(folder.dir, folder.incoming);
  }
}

/** Makes a file of `bytes`, and takes it through all steps. */
async function roundTrip(file: string, bytes: number, given: TargetGiven, facts: ProbeFacts): Promise<Finding> {
  const { clock, mark } = given;
  const { name, server } = facts;
  const key = `~doctor-${mark}-${bytes === SMALL ? "small" : "parts"}`;
  const ms = bytes === SMALL ? STEP : LARGE_STEP;
  // Bytes that no store can compress, the same each time.
  const content = createHash("shake256", { outputLength: bytes }).update("doctor").digest();
  const sha256 = createHash("sha256").update(content).digest("hex");
  const about: About = {
    contentType: "application/octet-stream",
    bytes,
    sha256,
    eventId: "doctor",
    videoId: "doctor",
    replace: false,
    again: true,
  };
  /** The milliseconds of each verb, the last time it was used. */
  const times: Record<string, number> = {};
  let step = "open";
  const run = async <Result>(verb: string, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> => {
    step = verb;
    const begun = clock.elapsed();
    const result = await inTime({ clock, ms }, work);
    times[verb] = Math.round(clock.elapsed() - begun);
    return result;
  };
  let target: Tried | null = null;
  try {
    // Never through a symbolic link: others may write to this folder.
    await rm(file, { force: true });
    await writeFile(file, content, { mode: 0o600, flag: "wx" });
    target = await run("open", () => given.open(given.target));
    const { put, head, read, delete: remove } = target;
    // A killed doctor may have left it.
    await run("delete", (signal) => remove(key, signal));
    await run("put", (signal) => put(key, file, about, signal));
    const held = await run("head", () => head(key));
    if (held?.bytes !== bytes) {
      return failed(`${name}: of ${bytes} bytes that were put a HEAD finds ${held?.bytes ?? "none"}`);
    }
    const back = await run("get", (signal) => hashAll(read(key, signal)));
    if (back !== sha256) return failed(`${name}: what is read is not what was put`, "do not trust it with any file");
    await run("delete", (signal) => remove(key, signal));
    if ((await run("head", () => head(key))) !== null) {
      return warning(`${name}: the probe ${key} is there still after it was deleted`, "remove it by hand");
    }
    const odd = await target.oddities();
    const took = ["put", "head", "get", "delete"].map((verb) => `${verb} ${times[verb]} ms`).join(", ");
    const line = [`${name}: ${took}`, ...odd].join("; ");
    return odd.length > 0 && facts.oddities === "warning" ? warning(line) : ok(line);
  } catch (error) {
    // Best effort: the next doctor tries again.
    if (target !== null && step !== "put") await inTime({ clock, ms }, () => target!.delete(key)).catch(() => {});
    const line = `${step} failed: ${explain(error)}`;
    if (!(error instanceof TooLate)) return failed(`${name}: ${line}`, ADVICE[codeOf(error)] ?? null);
    return failed(`${name}${server === null ? "" : ` at ${server.url.origin}`}: ${line}`, facts.whenLate);
  } finally {
    await target?.close();
  }
}

/** Advice for errors of the system; the errors of a bucket contain theirs. */
const ADVICE: Record<string, string> = {
  EACCES: "run doctor as root, or as the relay's user, who must own the folder",
  EROFS: "the disk is mounted read-only: see the kernel's log",
  ENOSPC: "the disk is full: make room",
  EEXIST: "another process made it just now: find out which, and remove it",
};

async function hashAll(bytes: Promise<AsyncIterable<Uint8Array> | null>): Promise<string | null> {
  const stream = await bytes;
  return stream === null ? null : sha256Of(stream);
}
