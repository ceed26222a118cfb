import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { giveToOwnerOf } from "../../platform/files/file-system.ts";
import { sha256Of } from "../../platform/files/sha256.ts";
import { readDate } from "../../platform/net/ask-relay.ts";
import { readCertificates } from "../../platform/net/certificates.ts";
import type { Clock } from "../../ports.ts";
import { type Target, typeOf } from "../../targets/table.ts";
import type { About, MirrorTarget } from "../../targets/target.ts";
import type { ProbeFacts } from "../../targets/type.ts";
import type { JudgeWritable } from "../files/writable.ts";
import { judgeShown } from "../network/certificate.ts";
import type { Dates } from "../network/clock.ts";
import { hostOf } from "../network/endpoints.ts";
import { adviseTls, explain } from "../network/errors.ts";
import { type Finding, failed, inTime, of, ok, type Probe, TooLate, warning } from "../probe.ts";

/** Milliseconds for a step with a small file, and with a file in parts. */
const STEP = 30_000;
const LARGE_STEP = 180_000;
const CONNECT = 10_000;

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

type Server = NonNullable<ProbeFacts["server"]>;

/**
 * Puts a file into the target, looks it up, reads it back and removes it. No medium can have its key: no id yields a
 * name that begins with `~`. A second file goes in parts, where the target has parts.
 */
export function targetProbe(given: TargetGiven): Probe {
  const { clock, judge, target, dates } = given;
  const facts = typeOf(target).probe(target);
  const { folder, server, partSize } = facts;
  return {
    name: "target",
    timeout: null,
    async run(outer, progress) {
      const findings: Finding[] = [];
      if (folder !== null) {
        const { isThere, ...judged } = await inTime({ clock, ms: STEP, outer }, () => judge(folder));
        if (judged.state === "failed") return [of("copy", judged)];
        if (!isThere) return [of("copy", { ...judged, state: "warning" })];
        if (judged.state !== "ok") findings.push(of("folder", judged));
      }
      const unreadable = await inTime({ clock, ms: STEP, outer }, facts.unreadable);
      if (unreadable !== null) findings.push(of("rights", warning(unreadable.detail, unreadable.advice)));
      if (server !== null) {
        progress("connecting");
        if (server.url.protocol === "https:") findings.push(of("certificate", await judgeServer(server, clock, outer)));
        const sent = clock.now();
        const date = await inTime({ clock, ms: CONNECT, outer }, (signal) => readDate(server.url, signal)).catch(
          () => null,
        );
        if (date !== null) dates.push({ source: server.name, date, sent, received: clock.now() });
      }
      await withProbeFile(given, facts, async (file) => {
        progress("a small file");
        const small = await roundTrip(file, SMALL, given, { facts, limit: STEP, outer });
        findings.push(of("copy", small));
        if (small.state === "failed" || partSize === null) return;
        progress("a file in parts");
        const large = await roundTrip(file, partSize + SMALL, given, { facts, limit: LARGE_STEP, outer });
        findings.push(of("multipart", large));
      });
      return findings;
    },
  };
}

/** Gives `run` a name for the file to put. */
async function withProbeFile(
  { mark, tempDir, user }: TargetGiven,
  { folder }: ProbeFacts,
  run: (file: string) => Promise<void>,
): Promise<void> {
  if (folder === null) {
    const temp = await mkdtemp(join(tempDir, "wochit-relay-doctor-"));
    return run(join(temp, "file")).finally(() => rm(temp, { recursive: true, force: true }));
  }
  // On the same disk a copy is a hard link, as the relay makes it.
  const file = join(folder.dir, `.doctor-${mark}`);
  try {
    await run(file);
  } finally {
    // The relay could not use what root made in its folder.
    if (user === 0) await giveToOwnerOf(folder.dir, folder.incoming);
  }
}

/** How long the certificate is valid. Whether it is trusted shows when the target's own client sends the first file. */
async function judgeServer({ url, option }: Server, clock: Clock, outer: AbortSignal): Promise<Finding> {
  const name = hostOf(url.href);
  const at = { address: name, port: url.port === "" ? 443 : Number(url.port), name };
  try {
    const shown = await inTime({ clock, ms: CONNECT, outer }, (signal) => readCertificates(at, signal));
    return judgeShown(shown, name, clock.now(), { trusts: false });
  } catch (error) {
    return failed(`TLS with ${url.host}: ${explain(error)}`, adviseTls(error, option, `check ${option}`));
  }
}

/** Makes a file of `bytes`, takes it through all steps, and removes it. */
async function roundTrip(
  file: string,
  bytes: number,
  given: TargetGiven,
  options: { facts: ProbeFacts; limit: number; outer: AbortSignal },
): Promise<Finding> {
  const { clock, mark, open } = given;
  const { facts, limit, outer } = options;
  const { name, server } = facts;
  const key = `~doctor-${mark}-${bytes === SMALL ? "small" : "parts"}`;
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
    // Never through a symbolic link: others may write to this folder.
    await rm(file, { force: true });
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
    return odd.length > 0 && facts.oddities === "warning" ? warning(line) : ok(line);
  } catch (error) {
    // Best effort: the next doctor tries again.
    if (target !== null && step !== "put")
      await inTime({ clock, ms: limit }, () => target!.delete(key)).catch(() => {});
    const isDenied = (error as { code?: string }).code === "EACCES";
    const line = `${step} failed: ${isDenied ? "this user may not do that (EACCES)" : explain(error)}`;
    if (!(error instanceof TooLate)) return failed(`${name}: ${line}`, adviceFor(error));
    return failed(`${name}${server === null ? "" : ` at ${server.url.origin}`}: ${line}`, facts.whenLate);
  } finally {
    await rm(file, { force: true }).catch(() => {});
    await target?.close();
  }
}

const ADVICE: Record<string, string> = {
  EACCES: "run doctor as root, or as the relay's user, who must own the folder",
  EROFS: "the disk is mounted read-only: see the kernel's log",
  ENOSPC: "the disk is full: make room",
  EEXIST: "another process made it just now: find out which, and remove it",
};

/** Advice for errors of the system; the errors of a bucket contain theirs. */
function adviceFor(error: unknown): string | null {
  return ADVICE[(error as { code?: string }).code ?? ""] ?? null;
}

async function hashAll(bytes: Promise<AsyncIterable<Uint8Array> | null>): Promise<string | null> {
  const stream = await bytes;
  return stream === null ? null : sha256Of(stream);
}
