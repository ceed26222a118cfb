import { every } from "../platform/timing.ts";
import type { Log } from "../ports.ts";
import { isPlausibleTime } from "../rules/plausible-time.ts";
import type { Store } from "../store/store.ts";
import type { SteadyClock } from "./steady-clock.ts";

/** How often other processes' commits and the clock are looked at, in milliseconds: they are noticed within a second. */
const WATCH_EVERY = 900;

/** What the clock is moved by less than this, in milliseconds, moves nothing. */
const WORTH_MOVING = 1_000;

/** How often the database is given the time, in milliseconds, so that a later start finds a clock that was set back. */
const REMEMBER_EVERY = 3_600_000;

/**
 * Looks every second for what other processes (the operator's commands) have committed, for links that die while nothing
 * is secured, and at the clock. Where it was set back, also while no relay ran, due times are moved along: a retry in a
 * second stays one in a second. Returns the end of it.
 */
export async function watch(
  store: Store,
  wake: () => void,
  { clock, log }: { clock: SteadyClock; log: Log },
): Promise<() => void> {
  let mark = await store.changeMark();
  let back = 0;
  let rememberedAt = Number.NEGATIVE_INFINITY;
  let isHeeding = false;

  clock.onJump((ms) => {
    if (Math.abs(ms) < WORTH_MOVING) log.info("the machine's clock is right again");
    else log.warn(`the clock was set ${ms < 0 ? "back" : "forward"}`, { ms: Math.abs(ms) });
    back += Math.max(0, -ms);
    rememberedAt = Number.NEGATIVE_INFINITY;
    heedClock().catch(() => {}); // It is done at the next look.
  });

  async function heedClock(): Promise<void> {
    if (isHeeding) return;
    isHeeding = true;
    try {
      const now = clock.now(); // Here a jump may be found.
      if (back > 0) {
        const by = back;
        await store.bringForward(by, now);
        back -= by;
      }
      if (clock.elapsed() - rememberedAt >= REMEMBER_EVERY) await remember(now);
    } finally {
      isHeeding = false;
    }
  }

  /** Gives the database the time; where it has seen a later one, the clock was set back while no relay ran. */
  async function remember(now: number): Promise<void> {
    // A machine that has just started may not know the time yet.
    const behind = isPlausibleTime(now) ? await store.seenAt(now) : 0;
    rememberedAt = clock.elapsed();
    if (behind >= WORTH_MOVING) {
      await store.bringForward(behind, now);
      log.warn("the clock was set back since the relay last ran", { ms: behind });
    }
    // Due times have come nearer, or have passed: the workers' timers do not know.
    wake();
  }

  async function heedRisks(): Promise<void> {
    const at = await store.nextRisk();
    if (at === null || at > clock.now()) return;
    const risks = await store.raiseRisks(clock.now());
    for (const { mediumId: medium, videoId: video, kind, share } of risks) {
      log.warn("media at risk", { medium, video, kind, lifeOver: `${share * 100} %` });
    }
    wake();
  }

  async function heedOthers(): Promise<void> {
    const now = await store.changeMark();
    if (now !== mark) wake();
    mark = now;
  }

  function look(): void {
    Promise.all([heedClock(), heedOthers(), heedRisks()]).catch(() => {}); // The store is in trouble, and says so itself.
  }
  look();
  return every(WATCH_EVERY, clock, look);
}
