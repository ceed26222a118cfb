import type { Ports } from "../domain.ts";
import type { Store } from "../store/store.ts";

/** How often other processes' commits are looked for: they are noticed within a second. */
const WATCH_EVERY = 900;

/** A clock that is set back by less than this is being disciplined, not moved. */
const WORTH_MOVING = 1_000;

/**
 * Looks every second for what other processes (the operator's commands) have committed, for links that die while nothing
 * is secured, and at the clock: where it was set back, what is to come is moved along, so that a retry in a second is not
 * one in an hour. Returns the end of it.
 */
export async function watch(store: Store, wake: () => void, { clock, log }: Ports): Promise<() => void> {
  let mark = await store.changeMark();
  let offset = clock.now() - clock.elapsed();
  let cancel = clock.after(WATCH_EVERY, look);

  async function heedClock(): Promise<void> {
    const now = clock.now() - clock.elapsed();
    const back = offset - now;
    offset = now;
    if (back < WORTH_MOVING) return;
    log.warn("the clock was set back", { ms: Math.round(back) });
    await store.bringForward(Math.round(back));
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
    cancel = clock.after(WATCH_EVERY, look);
    Promise.all([heedClock(), heedOthers(), heedRisks()]).catch(() => {}); // The store is in trouble, and says so itself.
  }
  return () => cancel();
}
