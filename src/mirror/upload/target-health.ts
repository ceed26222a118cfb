import { createHash } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { errorLine } from "../../errors.ts";
import type { Breaker } from "../../model/health.ts";
import { makeFolder } from "../../platform/files/file-system.ts";
import { sleep, within } from "../../platform/timing.ts";
import type { Ports } from "../../ports.ts";
import { failed, tried, waitOf } from "../../rules/breaker.ts";
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
}) {
  const { every = PROBE_EVERY } = options;
  const { clock, log } = options.ports;
  const waits = { first: every, longest: every };
  let breaker: Breaker | null = null;
  /** A probe has failed. */
  let isDown = false;
  /** Aborted when it is known whether the target is down. */
  let verdict = new AbortController();
  let probes = 0;

  /** Reports a successful upload. */
  function worked(): void {
    if (breaker !== null && isDown) {
      log.info("the mirror target works again", { ms: Math.round(clock.elapsed() - breaker.since) });
    }
    breaker = null;
    isDown = false;
    verdict.abort();
  }

  function isRefused(error: unknown): void {
    // An upload or another probe succeeded meanwhile.
    if (breaker === null) return;
    breaker = { ...breaker, error: errorLine(error) };
    if (!isDown) log.error("the mirror target is down: uploads wait", { error: breaker.error });
    isDown = true;
    verdict.abort();
  }

  /** Probes do not wait for each other: a slow target is not down. */
  function probe(open: Breaker): void {
    breaker = tried(open, { now: clock.elapsed(), patience: every });
    putProbe(options, `${PROBE}${++probes}`).then(worked, isRefused);
  }

  /** False while the target is down or a first failure is being looked into: upload nothing. Starts a probe that is due. */
  function mayTry(): boolean {
    if (breaker !== null && waitOf(breaker, clock.elapsed()) === 0) probe(breaker);
    return breaker === null;
  }

  return {
    mayTry,

    /** Why the target accepts no copies, as far as is known; null: it answers, though it may refuse a single file. */
    trouble(): string | null {
      if (mayTry() || breaker === null) return null;
      // A single failure proves nothing before the target had time to answer the probe.
      return isDown || clock.elapsed() - breaker.since >= VERDICT_WITHIN ? breaker.error : null;
    },

    /** Reports a failed upload. True where the target is down; false where the failure concerns this copy only. */
    async failed(error: unknown): Promise<boolean> {
      if (isDown) return true;
      if (breaker === null) {
        verdict = new AbortController();
        probe(failed(null, { now: clock.elapsed(), error: errorLine(error), waits }));
      }
      await sleep(VERDICT_WITHIN, clock, verdict.signal);
      return breaker !== null;
    },

    worked,
  };
}

export type TargetHealth = ReturnType<typeof createTargetHealth>;

/** Puts a file of a few bytes and removes it again. Throws what the put throws. */
async function putProbe(
  { target, ports: { clock }, spoolDir }: Parameters<typeof createTargetHealth>[0],
  name: string,
): Promise<void> {
  const file = spoolPaths(spoolDir, name).part;
  try {
    await makeFolder(spoolDir);
    await writeFile(file, PROBE);
  } catch {
    // A spool that fails says nothing about the target, and only uploads free space in it.
    return;
  }
  try {
    await within(PROBE_TIMEOUT, clock, (signal) => target.put(PROBE, file, ABOUT, signal));
    // A target that can be written to but not deleted from is not down.
    await within(PROBE_TIMEOUT, clock, (signal) => target.delete(PROBE, signal)).catch(() => {});
  } finally {
    await rm(file, { force: true }).catch(() => {});
  }
}
