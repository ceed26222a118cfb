import { createHash } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { errorLine } from "../../errors.ts";
import { makeFolder } from "../../platform/files/file-system.ts";
import type { Ports } from "../../ports.ts";
import type { About } from "../../targets/place.ts";
import type { MirrorTarget } from "../../targets/target.ts";
import { partOf } from "../spool/spool.ts";

/** How often a target in trouble is asked whether that is over (CONTRACT, "Media"). All times are milliseconds. */
const PROBE_EVERY = 10_000;

/** A probe that has had no answer for this long has failed. Others are begun meanwhile: a slow target is not down. */
const PATIENCE = 60_000;

/** How long one whose copy could not be kept waits to hear whether that is the target's trouble, or only his. */
const VERDICT_WITHIN = 3_000;

/** No template and no id makes such a key (`keys.ts`). */
const PROBE = "~probe";

/** What the probe holds. It is no media, and says so to whoever finds it. */
const ABOUT: About = {
  contentType: "application/octet-stream",
  bytes: PROBE.length,
  sha256: createHash("sha256").update(PROBE).digest("hex"),
  eventId: "probe",
  videoId: "probe",
  replace: true,
  again: false,
};

export type TargetHealth = {
  /** Why the target keeps nothing, as far as is known; null: it answers, though it may not take every file. */
  trouble(): string | null;
  /** Since when (milliseconds since 1970) the target keeps nothing; null: it answers. */
  downSince(): number | null;
  /**
   * False while the target keeps nothing, or that is being found out: leave it alone. Whoever asks lets it be probed, at
   * most every ten seconds for all, with a tiny file.
   */
  mayTry(): boolean;
  /** A copy could not be kept. True where the target as a whole is in trouble; else it is about this copy only. */
  failed(error: unknown): Promise<boolean>;
  /** A copy was kept. */
  worked(): void;
};

/** `begun`: of the clock that only goes forward. */
type Trouble = { line: string; since: number; begun: number; isDown: boolean };

/**
 * Knows whether the target can be asked to keep something, so that what waits for it neither wears it out nor waits longer
 * than it has to. Logs once when it goes down, and once when it is back. `spoolDir` is for the probes' own files.
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
  const verdict: (() => void)[] = [];

  function isUp(): void {
    if (trouble?.isDown) log.info("media can be kept again", { ms: Math.round(clock.now() - trouble.since) });
    trouble = null;
    tellVerdict();
  }

  function isDown(line: string): void {
    // It worked meanwhile, or another probe did.
    if (trouble === null) return;
    if (!trouble.isDown) log.error("media cannot be kept yet", { error: line });
    trouble = { ...trouble, line, isDown: true };
    tellVerdict();
  }

  function tellVerdict(): void {
    for (const tell of verdict.splice(0)) tell();
  }

  function probe(): void {
    begunAt = clock.elapsed();
    keepProbe({ target, spoolDir, clock, name: `${PROBE}${++probes}` }).then(isUp, (error) => isDown(errorLine(error)));
  }

  function look(): void {
    if (trouble !== null && clock.elapsed() - begunAt >= every) probe();
  }

  return {
    trouble() {
      look();
      if (trouble === null) return null;
      // One file that failed says nothing of the others before the target had its time to answer.
      return trouble.isDown || clock.elapsed() - trouble.begun >= VERDICT_WITHIN ? trouble.line : null;
    },

    downSince: () => (trouble?.isDown ? trouble.since : null),

    mayTry() {
      look();
      return trouble === null;
    },

    async failed(error) {
      const line = errorLine(error);
      if (trouble?.isDown) return true;
      if (trouble === null) {
        trouble = { line, since: clock.now(), begun: clock.elapsed(), isDown: false };
        probe();
      }
      let cancel = () => {};
      await new Promise<void>((resolve) => {
        cancel = clock.after(VERDICT_WITHIN, resolve);
        verdict.push(resolve);
      });
      cancel();
      return trouble !== null;
    },

    worked: isUp,
  };
}

/** Keeps a file of a few bytes and removes it again. Throws what goes wrong with the keeping. */
async function keepProbe(options: {
  target: Pick<MirrorTarget, "put" | "delete">;
  spoolDir: string;
  clock: Ports["clock"];
  name: string;
}): Promise<void> {
  const { target, spoolDir, clock, name } = options;
  const file = partOf(spoolDir, name);
  const stop = new AbortController();
  let cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(PATIENCE, () => {
      stop.abort(new Error(`it does not answer within ${PATIENCE / 1000} s`));
      reject(stop.signal.reason);
    });
  });
  // A disk may hang for that long before anybody waits for it.
  late.catch(() => {});
  try {
    const isReady = await makeFolder(spoolDir)
      .then(() => writeFile(file, PROBE))
      .then(
        () => true,
        () => false,
      );
    // A spool that takes nothing says nothing of the target, and only uploads make room in it.
    if (!isReady) return;
    await Promise.race([target.put(PROBE, file, ABOUT, stop.signal), late]);
    // Who may write but not delete keeps copies all the same.
    await Promise.race([target.delete(PROBE), late]).catch(() => {});
  } finally {
    cancel();
    await rm(file, { force: true }).catch(() => {});
  }
}
