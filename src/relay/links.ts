import { type CopyPlace, type LinkParts, mediaLink } from "../links/durable-link.ts";
import { holdLinkSecrets } from "../links/link-secrets.ts";
import { LINK_SECRET_BYTES } from "../model/link-secret.ts";
import type { Medium } from "../model/medium.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/store.ts";

/**
 * The durable links of a relay. `partsNow`: what they are made of but the secret, by the config that holds. The first secret is
 * made here, where the store has none.
 */
export async function openLinks(
  store: Pick<Store, "ensureLinkSecret" | "linkSecrets">,
  { clock, random }: Ports,
  partsNow: () => Omit<LinkParts, "secret"> & { publicUrl: string },
) {
  const ensured = await store.ensureLinkSecret(random.bytes(LINK_SECRET_BYTES));
  const secrets = holdLinkSecrets(ensured, store.linkSecrets, clock);
  const parts = () => ({ ...partsNow(), secret: secrets.signing() });
  return {
    secrets,
    /**
     * What to do when another process has committed: it may have rotated the secret. Where that cannot be read then, the next
     * commit, or a signature that is not known, has it read.
     */
    noticing: (then: () => void) => () => {
      void secrets.refresh().catch(() => {});
      then();
    },
    /** Where a medium is to be had: its copy, or without one the provider's link. */
    of: ({ key, target, sourceUrl }: Medium) => (key === null ? sourceUrl : mediaLink(parts(), { target, key })),
    async open() {
      const made = parts();
      return (copy: CopyPlace) => mediaLink(made, copy);
    },
  };
}
