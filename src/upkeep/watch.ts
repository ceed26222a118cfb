import { every } from "../platform/timing.ts";
import type { Clock, Log } from "../ports.ts";
import { isPlausibleTime } from "../rules/plausible-time.ts";
import type { Store } from "../store/store.ts";
import type { SteadyClock } from "./steady-clock.ts";

/** Milliseconds between two checks of other processes' commits and of the clock: a change takes effect within a second. */
const WATCH_EVERY = 900;

/** Milliseconds. A smaller change of the clock moves no due time. */
const LEAST_CHANGE = 1_000;

/** Milliseconds between two records of the time in the database: by them a later start finds a clock that was set back. */
const RECORD_EVERY = 3_600_000;

/**
 * Checks every second for commits of other processes (the operator's commands), for media whose links are about to expire, and for
 * a clock that was set back, also while no relay ran: due times are moved with it, so that a retry in a second stays one in
 * a second. The returned function ends it.
 */
export async function watch(
  store: Store,
  wake: () => void,
  { clock, log }: { clock: SteadyClock; log: Log },
): Promise<() => void> {
  let mark = await store.changeMark();
  let back = 0;
  let recordedAt = Number.NEGATIVE_INFINITY;
  let isFollowing = false;

  clock.onJump((ms) => {
    if (Math.abs(ms) < LEAST_CHANGE) log.info("the machine's clock is right again");
    else log.warn(`the clock was set ${ms < 0 ? "back" : "forward"}`, { ms: Math.abs(ms) });
    back += Math.max(0, -ms);
    recordedAt = Number.NEGATIVE_INFINITY;
    followClock().catch(() => {}); // The next check tries again.
  });

  async function followClock(): Promise<void> {
    if (isFollowing) return;
    isFollowing = true;
    try {
      const now = clock.now(); // This may call onJump.
      if (back > 0) {
        const by = back;
        await store.bringForward(by, now);
        back -= by;
      }
      if (clock.elapsed() - recordedAt >= RECORD_EVERY) await recordTime(now);
    } finally {
      isFollowing = false;
    }
  }

  /** Records the time in the database; where a later one is recorded, the clock was set back while no relay ran. */
  async function recordTime(now: number): Promise<void> {
    // The clock of a machine that has just started may not be set yet.
    const behind = isPlausibleTime(now) ? await store.seenAt(now) : 0;
    recordedAt = clock.elapsed();
    if (behind >= LEAST_CHANGE) {
      await store.bringForward(behind, now);
      log.warn("the clock was set back since the relay last ran", { ms: behind });
    }
    // The workers' timers do not follow the due times, which are nearer now, or past.
    wake();
  }

  async function raiseRisks(at: number | null): Promise<void> {
    if (at === null || at > clock.now()) return;
    const risks = await store.raiseRisks(clock.now());
    for (const { mediumId: medium, videoId: video, kind, share } of risks) {
      log.warn("media at risk", { medium, video, kind, lifeOver: `${share * 100} %` });
    }
    wake();
  }

  async function look(): Promise<void> {
    const found = await store.look();
    if (found.mark !== mark) wake();
    mark = found.mark;
    await raiseRisks(found.nextRisk);
  }

  function check(): void {
    Promise.all([followClock(), look()]).catch(() => {}); // The store logs its own trouble.
  }
  check();
  return every(WATCH_EVERY, clock, check);
}

/** Mirroring is off: all media that wait are skipped, in pieces that hold no event up. */
export async function skipMedia(store: Pick<Store, "skipMedia">, clock: Clock): Promise<void> {
  while ((await store.skipMedia(clock.now())).isMore);
}
