import { createHash } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import type { Clock, DownloadJob } from "../domain.ts";
import { errorLine } from "../errors.ts";
import { makeFolder } from "./durable.ts";
import { keyOf } from "./keys.ts";
import { partOf } from "./spool.ts";
import type { MirrorTarget } from "./target.ts";
import { OwnTrouble } from "./trouble.ts";

/** How often a target in trouble is asked whether that is over (CONTRACT, "Media"). All times are milliseconds. */
const PROBE_EVERY = 10_000;

/** A target that does not answer a probe within this is in trouble still. */
const PATIENCE = 3_000;

/** Where probes succeed and copies fail all the same (no room for a large one), the waits grow up to this. */
const LONGEST_WAIT = 300_000;

/** Nobody has come back to this trouble: its medium is wanted no longer. */
const FORGOTTEN = 2 * LONGEST_WAIT;

/** No template and no id makes such a key (`keys.ts`). */
const PROBE = "~probe";

/** The target as a whole; any other place is a folder of it, because a single one may be in trouble as well. */
const WHOLE = "";

type Trouble = {
  line: string;
  at: number;
  fails: number;
  asked: { at: number; answer: Promise<string | null> } | null;
};

export type TargetHealth = {
  /** Why copies cannot be kept, as far as is known; null: nothing is wrong. */
  trouble(): string | null;
  /** Throws OwnTrouble while the target is known to fail here: asks it again at most every ten seconds, with a tiny file. */
  check(place: string): Promise<void>;
  /** A copy could not be kept here. Returns after how long to try again. */
  failed(place: string, line: string): number;
  /** A copy was kept here. */
  worked(place: string): void;
};

/** The folder of the target that a job's copy goes to; `.` for the target's own. */
export function placeOf(template: string, { videoId, kind }: Pick<DownloadJob, "videoId" | "kind">): string {
  const key = keyOf(template, videoId, kind, "");
  return key.includes("/") ? key.slice(0, key.lastIndexOf("/")) : ".";
}

/** Remembers that the target fails, so that no file is fetched which could not be kept. `spoolDir` is for the probes. */
export function createTargetHealth(options: {
  target: Pick<MirrorTarget, "put" | "head" | "delete">;
  clock: Clock;
  spoolDir: string;
  every?: number;
}): TargetHealth {
  const { target, clock, spoolDir, every = PROBE_EVERY } = options;
  const troubles = new Map<string, Trouble>();
  let probes = 0;

  function forget(): void {
    for (const [place, { at }] of troubles) if (clock.elapsed() - at >= FORGOTTEN) troubles.delete(place);
  }

  /** Keeps a file of a few bytes, looks for it, and removes it. Null, or what went wrong. */
  async function probe(place: string): Promise<string | null> {
    const key = place === WHOLE || place === "." ? PROBE : `${place}/${PROBE}`;
    const file = partOf(spoolDir, `${PROBE}${++probes}`);
    const sha256 = createHash("sha256").update(PROBE).digest("hex");
    const stop = new AbortController();
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = clock.after(PATIENCE, () => {
        stop.abort(new Error(`it does not answer within ${PATIENCE / 1000} s`));
        reject(stop.signal.reason);
      });
    });
    const work = async () => {
      await makeFolder(spoolDir);
      await writeFile(file, PROBE);
      const meta = { contentType: "application/octet-stream", sha256, replace: true };
      await target.put(key, file, meta, stop.signal);
      const held = await target.head(key);
      await target.delete(key);
      if (held?.bytes !== PROBE.length) throw new Error("what was put there is not there");
    };
    try {
      await Promise.race([work(), late]);
      return null;
    } catch (error) {
      return `target: ${errorLine(error)}`;
    } finally {
      cancel();
      await rm(file, { force: true }).catch(() => {});
    }
  }

  /** Everybody who asks within ten seconds gets the same answer. */
  function ask(place: string, trouble: Trouble): Promise<string | null> {
    const now = clock.elapsed();
    if (trouble.asked === null || now - trouble.asked.at >= every) trouble.asked = { at: now, answer: probe(place) };
    return trouble.asked.answer;
  }

  return {
    trouble() {
      forget();
      return [...troubles.values()][0]?.line ?? null;
    },

    async check(place) {
      for (const where of [WHOLE, place]) {
        const trouble = troubles.get(where);
        if (trouble === undefined) continue;
        const line = await ask(where, trouble);
        if (line !== null) {
          trouble.line = line;
          trouble.at = clock.elapsed();
          throw new OwnTrouble(line);
        }
        if (where === WHOLE) troubles.delete(WHOLE);
      }
    },

    failed(place, line) {
      forget();
      const at = clock.elapsed();
      const known = troubles.get(place);
      // What failed together failed once.
      const fails = known === undefined ? 1 : known.fails + (at - known.at >= every ? 1 : 0);
      troubles.set(place, { line, at, fails, asked: known?.asked ?? null });
      const whole = troubles.get(WHOLE);
      if (whole === undefined) troubles.set(WHOLE, { line, at, fails: 1, asked: null });
      return Math.min(every * 2 ** (fails - 1), LONGEST_WAIT);
    },

    worked(place) {
      troubles.delete(place);
      troubles.delete(WHOLE);
    },
  };
}
