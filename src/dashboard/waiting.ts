import type { Place } from "../admin/operation.ts";
import type { Clock } from "../ports.ts";
import type { Waiting } from "./parts/frame.ts";

/** How long the numbers on the side are kept: each page has them, and none asks for them; milliseconds. */
const KEPT = 3_000;

/** A link that dies within this time is soon; milliseconds. */
const SOON = 6 * 3_600_000;

/** What was refused within this time is new; milliseconds. */
const NEW = 24 * 3_600_000;

const MOST = 100;

/** The numbers on the side, at most three seconds old; null: the store cannot tell them now. */
export function createWaiting(clock: Clock): (place: Pick<Place, "store">) => Promise<Waiting | null> {
  let kept: { at: number; numbers: Promise<Waiting | null> } | null = null;
  return ({ store }) => {
    const now = clock.elapsed();
    if (kept === null || now - kept.at >= KEPT) kept = { at: now, numbers: read(store, clock.now()).catch(() => null) };
    return kept.numbers;
  };
}

async function read(store: Place["store"], now: number): Promise<Waiting> {
  const [{ deliveries }, endpoints, media, refused] = await Promise.all([
    store.counts(),
    store.endpoints(),
    store.media({ byDeadline: true, limit: MOST }),
    store.quarantined({ since: now - NEW, limit: MOST }),
  ]);
  const dead = deliveries.filter(({ state }) => state === "dead").reduce((sum, { count }) => sum + count, 0);
  const capped = (count: number) => (count >= MOST ? `${MOST}+` : count);
  return {
    dead,
    failing: endpoints.filter(({ health }) => health !== null && health.breaker !== null).length,
    soon: capped(media.filter(({ deadline }) => deadline < now + SOON).length),
    refused: capped(refused.length),
  };
}
