import { createHash } from "node:crypto";
import { lchown, lstat, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LocalTarget, S3Target } from "../../config/schema.ts";
import { nullWhereMissing } from "../../platform/files/file-system.ts";
import { sha256Of } from "../../platform/files/sha256.ts";
import { readDate } from "../../platform/net/ask-relay.ts";
import { readCertificates } from "../../platform/net/certificates.ts";
import type { Clock } from "../../ports.ts";
import type { About } from "../../targets/place.ts";
import type { JudgeWritable } from "../files/writable.ts";
import { judgeShown } from "../network/certificate.ts";
import type { Dates } from "../network/clock.ts";
import { adviseTls, explain } from "../network/errors.ts";
import { type Finding, failed, inTime, of, ok, type Probe, TooLate, warning } from "../probe.ts";
import { judgeReadable } from "./public-folder.ts";

/** Milliseconds for a step with a small file, and with one that goes in parts. */
const STEP = 30_000;
const LARGE_STEP = 180_000;
const CONNECT = 10_000;

const SMALL = 1_000;

/** As much of a mirror target as is tried (mirror/target.ts). */
export type Tried = {
  put(key: string, file: string, about: About, signal: AbortSignal): Promise<unknown>;
  head(key: string): Promise<{ bytes: number } | null>;
  read(key: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null>;
  delete(key: string, signal?: AbortSignal): Promise<void>;
  oddities(): Promise<string[]>;
  close(): Promise<void>;
};

export type TargetGiven = {
  target: LocalTarget | S3Target;
  open(target: LocalTarget | S3Target): Promise<Tried>;
  /** Files of more bytes than this go into a bucket in parts. */
  partSize: number;
  /** The same for each doctor of this data folder, and for no other: what a killed one left is found and removed by the next. */
  mark: string;
  tempDir: string;
  user: number | null;
  /** Whether the relay itself can write to a folder. */
  judge: JudgeWritable;
  clock: Clock;
  dates: Dates;
};

/**
 * Puts a file into the target, looks at it, reads it back and removes it, under a key that no medium can have: keys begin with
 * an id, and no id becomes a name with `~` at its start. In a bucket it does so a second time with a file that goes in parts.
 */
export function targetProbe(given: TargetGiven): Probe {
  const { target } = given;
  return {
    name: "target",
    timeout: null,
    async run(signal, tell) {
      return target.type === "local" ? tryFolder(target, given, signal) : tryBucket(target, given, signal, tell);
    },
  };
}

async function tryFolder({ dir }: LocalTarget, given: TargetGiven, outer: AbortSignal): Promise<Finding[]> {
  const { clock, mark, judge } = given;
  const wanted = { dir, option: "mirror.target.dir" };
  const { isThere, ...judged } = await inTime({ clock, ms: STEP, outer }, () => judge(wanted));
  if (judged.state === "failed") return [of("copy", judged)];
  if (!isThere) return [of("copy", { ...judged, state: "warning" })];
  const findings = judged.state === "ok" ? [] : [of("folder", judged)];
  const unread = await inTime({ clock, ms: STEP, outer }, () => judgeReadable(dir));
  if (unread !== null) findings.push(of("rights", unread));
  const { uid, gid } = await stat(dir);
  // On the same disk a copy is made by a link, as the relay makes its own, and nothing else is made there.
  const file = join(dir, `.doctor-${mark}`);
  const incoming = join(dir, ".incoming");
  try {
    await rm(file, { force: true });
    return [...findings, of("copy", await roundTrip(file, SMALL, given, { name: dir, limit: STEP, outer }))];
  } finally {
    await rm(file, { force: true });
    if (given.user === 0) await giveBack(incoming, { uid, gid });
  }
}

/** What root made there would be of no use to the relay. */
async function giveBack(path: string, { uid, gid }: { uid: number; gid: number }): Promise<void> {
  const made = await lstat(path).catch(nullWhereMissing);
  if (made !== null && made.uid !== uid) await lchown(path, uid, gid).catch(() => {});
}

async function tryBucket(
  target: S3Target,
  given: TargetGiven,
  outer: AbortSignal,
  tell: (how: string) => void,
): Promise<Finding[]> {
  const { clock, dates, partSize, tempDir } = given;
  const url = addressOf(target);
  tell("connecting");
  const findings = url.protocol === "https:" ? [of("certificate", await judgeBucket(url, clock, outer))] : [];
  const sent = clock.now();
  const date = await inTime({ clock, ms: CONNECT, outer }, (signal) => readDate(url, signal)).catch(() => null);
  if (date !== null) dates.push({ source: "the bucket", date, sent, received: clock.now() });
  const folder = await mkdtemp(join(tempDir, "wochit-relay-doctor-"));
  const name = `bucket ${target.bucket}`;
  try {
    tell("a small file");
    const small = await roundTrip(join(folder, "small"), SMALL, given, { name, limit: STEP, outer });
    findings.push(of("copy", small));
    if (small.state === "failed") return findings;
    tell("a file in parts");
    const options = { name, limit: LARGE_STEP, outer };
    findings.push(of("multipart", await roundTrip(join(folder, "large"), partSize + SMALL, given, options)));
    return findings;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Amazon's address of a region where the config names no other. */
function addressOf({ endpoint, region }: S3Target): URL {
  return new URL(endpoint ?? `https://s3.${region === null ? "" : `${region}.`}amazonaws.com/`);
}

/** How long it is good for: whether it is trusted, its own client says with the first file. */
async function judgeBucket(url: URL, clock: Clock, outer: AbortSignal): Promise<Finding> {
  const name = url.hostname.replace(/^\[|\]$/g, "");
  const at = { address: name, port: url.port === "" ? 443 : Number(url.port), name };
  try {
    const shown = await inTime({ clock, ms: CONNECT, outer }, (signal) => readCertificates(at, signal));
    return judgeShown(shown, name, clock.now(), { trusts: false });
  } catch (error) {
    const setting = "mirror.target.endpoint";
    return failed(`TLS with ${url.host}: ${explain(error)}`, adviseTls(error, setting, `check ${setting}`));
  }
}

/** All steps with one file of so many bytes, which is made for it, and what came of them. */
async function roundTrip(
  file: string,
  bytes: number,
  given: TargetGiven,
  options: { name: string; limit: number; outer: AbortSignal },
): Promise<Finding> {
  const { clock, mark, open } = given;
  const { name, limit, outer } = options;
  const key = `~doctor-${mark}-${bytes === SMALL ? "small" : "parts"}`;
  const content = fill(bytes);
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
  const times: string[] = [];
  let step = "open";
  const timed = async <Result>(verb: string, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> => {
    step = verb;
    const begun = clock.elapsed();
    const result = await inTime({ clock, ms: limit, outer }, work);
    times.push(`${verb} ${Math.round(clock.elapsed() - begun)} ms`);
    return result;
  };
  let target: Tried | null = null;
  let leftover = "";
  try {
    // Never through a link that somebody has put there: the folder is not the doctor's.
    await writeFile(file, content, { mode: 0o600, flag: "wx" });
    target = await inTime({ clock, ms: limit, outer }, () => open(given.target));
    step = "head";
    const { put, head, read, delete: remove } = target;
    if ((await inTime({ clock, ms: limit, outer }, () => head(key))) !== null) {
      step = "delete";
      await inTime({ clock, ms: limit, outer }, (signal) => remove(key, signal));
      leftover = ", and the probe of a killed doctor removed";
    }
    await timed("put", (signal) => put(key, file, about, signal));
    const held = await timed("head", () => head(key));
    if (held?.bytes !== bytes) {
      return failed(`${name}: of ${bytes} bytes that were put a HEAD finds ${held?.bytes ?? "none"}`);
    }
    const back = await timed("get", (signal) => hashAll(read(key, signal)));
    if (back !== sha256) return failed(`${name}: what is read is not what was put`, "do not trust it with any file");
    await timed("delete", (signal) => remove(key, signal));
    step = "head";
    const rest = await inTime({ clock, ms: limit, outer }, () => head(key));
    if (rest !== null)
      return warning(`${name}: the probe ${key} is there still after it was deleted`, "remove it by hand");
    const odd = await target.oddities();
    const line = [`${name}: ${times.join(", ")}${leftover}`, ...odd].join("; ");
    return given.target.type === "local" && odd.length > 0 ? warning(line) : ok(line);
  } catch (error) {
    // As far as it can be: the next doctor tries again.
    if (target !== null && step !== "put")
      await inTime({ clock, ms: limit }, () => target!.delete(key)).catch(() => {});
    const isDenied = (error as { code?: string }).code === "EACCES";
    const line = `${step} failed: ${isDenied ? "this user may not do that (EACCES)" : explain(error)}`;
    if (!(error instanceof TooLate)) return failed(`${name}: ${line}`, adviceFor(error));
    return given.target.type === "local"
      ? failed(`${name}: ${line}`, "see whether its disk answers: a network disk that is gone does not")
      : failed(
          `${name} at ${addressOf(given.target).origin}: ${line}`,
          "see whether the store is up, and mirror.target.endpoint",
        );
  } finally {
    await target?.close();
  }
}

const ADVICE: Record<string, string> = {
  EACCES: "run doctor as root, or as the relay's user, who must own the folder",
  EROFS: "the disk is mounted read-only: see the kernel's log",
  ENOSPC: "the disk is full: make room",
  EEXIST: "somebody put it there just now: see who, and remove it",
};

/** The errors of a bucket say by themselves what to do. */
function adviceFor(error: unknown): string | null {
  return ADVICE[(error as { code?: string }).code ?? ""] ?? null;
}

async function hashAll(bytes: Promise<AsyncIterable<Uint8Array> | null>): Promise<string | null> {
  const stream = await bytes;
  return stream === null ? null : sha256Of(stream);
}

/** Bytes that no store can make smaller, and that are the same each time. */
function fill(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  let state = 0x9e3779b9;
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    content[at] = state >>> 24;
  }
  return content;
}
