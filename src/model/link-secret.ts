/**
 * A secret that signs media links, or once did. `endsAt`: from then on what it signed is not valid, in milliseconds since 1970;
 * null: it signs.
 */
export type LinkSecret = { secret: Uint8Array; endsAt: number | null };

/** Bytes of one: as many as HMAC-SHA256 makes of it. */
export const LINK_SECRET_BYTES = 32;
