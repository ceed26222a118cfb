import { parseDuration } from "../../config/units.ts";
import { RelayError } from "../../errors.ts";
import { LINK_SECRET_BYTES } from "../../model/link-secret.ts";
import type { Ports } from "../../ports.ts";
import type { Store } from "../../store/store.ts";

/** How long links that were given out stay valid, unless asked otherwise, and at most; as a config writes durations. */
export const KEEP = "30d";
const LONGEST = "3650d";

/** Milliseconds that `keep` says. RelayError("usage") for what is no duration, or longer than ten years. */
export function readKeep(keep: string): number {
  const ms = parseDuration(keep);
  if (ms === null || ms > parseDuration(LONGEST)!) {
    throw new RelayError(
      "usage",
      `"${keep}" is no time to keep links: write one like ${KEEP}, 12h or 0s, at most ${LONGEST}`,
    );
  }
  return ms;
}

/**
 * Makes a new secret that signs media links, and keeps those valid for `keep` milliseconds that were given out before. `keptUntil`:
 * until when; null: they have ended. `links`: as the config says, because without signatures nothing has changed.
 */
export async function rotateLinks(
  store: Pick<Store, "rotateLinkSecret">,
  { mirror: { links } }: { mirror: { links: "signed" | "open" } },
  keep: number,
  { clock, random }: Pick<Ports, "clock" | "random">,
) {
  const now = clock.now();
  await store.rotateLinkSecret({ secret: random.bytes(LINK_SECRET_BYTES), keep }, now);
  return {
    rotatedAt: new Date(now).toISOString(),
    keptUntil: keep === 0 ? null : new Date(now + keep).toISOString(),
    links,
  };
}
export type RotatedLinks = Awaited<ReturnType<typeof rotateLinks>>;
