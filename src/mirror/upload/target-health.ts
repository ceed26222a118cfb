import { createHash } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { errorLine } from "../../errors.ts";
import { makeFolder } from "../../platform/files/file-system.ts";
import { sleep, within } from "../../platform/timing.ts";
import type { Ports } from "../../ports.ts";
import { UNKNOWN_TYPE } from "../../rules/media-types.ts";
import { LOCAL_WAITS } from "../../rules/schedule.ts";
import type { About, MirrorTarget } from "../../targets/target.ts";
import { spoolPaths } from "../spool/spool.ts";

/** Milliseconds between two probes of a failing target (CONTRACT, "Media"). */
const PROBE_EVERY = LOCAL_WAITS.first;

/** Timeout of a probe, in milliseconds. Longer than the interval: a slow target is not down. */
const PROBE_TIMEOUT = 60_000;

/** How long an upload that failed waits to learn whether the target is down, in milliseconds. */
const VERDICT_WITHIN = 3_000;

/** No template and no id makes such a key (`object-keys.ts`). */
const PROBE = "~probe";

const ABOUT: About = {
  contentType: UNKNOWN_TYPE,
  bytes: PROBE.length,
  sha256: createHash("sha256").update(PROBE).digest("hex"),
  eventId: "probe",
  videoId: "probe",
  replace: true,
  again: false,
};

export type TargetHealth = {
  /** Why the target accepts no copies, as far as is known; null: it answers, though it may refuse a single file. */
  trouble(): string | null;
  /** False while the target is down or a first failure is being looked into: upload nothing. Starts a probe that is due. */
  mayTry(): boolean;
  /** Reports a failed upload. True where the target is down; false where the failure concerns this copy only. */
  failed(error: unknown): Promise<boolean>;
  /** Reports a successful upload. */
  worked(): void;
};

/** `since` on the wall clock, `begun` on the monotonic one. `verdict` is aborted when it is known whether the target is down. */
type Trouble = { line: string; since: number; begun: number; isDown: boolean; verdict: AbortController };

/**
 * The circuit breaker of the present target. A failed upload opens it at once; a probe, a file of a few bytes, finds out
 * whether the target is down, and repeats until it is not. Logs once when the target goes down and once when it is back.
 * `spoolDir` holds the probes' own files.
 */
export function createTargetHealth(options: {
  target: Pick<MirrorTarget, "put" | "delete">;
  ports: Pick<Ports, "clock" | "log">;
  spoolDir: string;
  every?: number;
}): TargetHealth {
  const { target, spoolDir, every = PROBE_EVERY } = options;
  const { clock, log } = options.ports;
  let trouble: Trouble | null = null;
  let begunAt = Number.NEGATIVE_INFINITY;
  let probes = 0;

  function isUp(): void {
    if (trouble?.isDown) log.info("the mirror target works again", { ms: Math.round(clock.now() - trouble.since) });
    trouble?.verdict.abort();
    trouble = null;
  }

  function isDown(line: string): void {
    // An upload or another probe succeeded meanwhile.
    if (trouble === null) return;
    if (!trouble.isDown) log.error("the mirror target is down: uploads wait", { error: line });
    trouble = { ...trouble, line, isDown: true };
    trouble.verdict.abort();
  }

  function probe(): void {
    begunAt = clock.elapsed();
    putProbe({ target, spoolDir, clock, name: `${PROBE}${++probes}` }).then(isUp, (error) => isDown(errorLine(error)));
  }

  function probeWhenDue(): void {
    if (trouble !== null && clock.elapsed() - begunAt >= every) probe();
  }

  return {
    trouble() {
      probeWhenDue();
      if (trouble === null) return null;
      // A single failure proves nothing before the target had time to answer the probe.
      return trouble.isDown || clock.elapsed() - trouble.begun >= VERDICT_WITHIN ? trouble.line : null;
    },

    mayTry() {
      probeWhenDue();
      return trouble === null;
    },

    async failed(error) {
      if (trouble?.isDown) return true;
      if (trouble === null) {
        const begun = clock.elapsed();
        const verdict = new AbortController();
        trouble = { line: errorLine(error), since: clock.now(), begun, isDown: false, verdict };
        probe();
      }
      await sleep(VERDICT_WITHIN, clock, trouble.verdict.signal);
      return trouble !== null;
    },

    worked: isUp,
  };
}

/** Puts a file of a few bytes and removes it again. Throws what the put throws. */
async function putProbe(options: {
  target: Pick<MirrorTarget, "put" | "delete">;
  spoolDir: string;
  clock: Ports["clock"];
  name: string;
}): Promise<void> {
  const { target, spoolDir, clock, name } = options;
  const file = spoolPaths(spoolDir, name).part;
  try {
    const isWritten = await makeFolder(spoolDir)
      .then(() => writeFile(file, PROBE))
      .then(
        () => true,
        () => false,
      );
    // A spool that fails says nothing about the target, and only uploads free space in it.
    if (!isWritten) return;
    await within(PROBE_TIMEOUT, clock, (signal) => target.put(PROBE, file, ABOUT, signal));
    // A target that can be written to but not deleted from is not down.
    await within(PROBE_TIMEOUT, clock, (signal) => target.delete(PROBE, signal)).catch(() => {});
  } finally {
    await rm(file, { force: true }).catch(() => {});
  }
}
