import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** Where the copy of a medium can be had. */
export type MediaPlace = {
  /** `server.publicUrl`: how apps reach the relay. */
  publicUrl: string;
  /** `mirror.publicBaseUrl`: a CDN's or a bucket's base, or null. */
  publicBaseUrl: string | null;
  links: "signed" | "open";
  /** The store's media secret. */
  secret: Uint8Array;
};

/**
 * The durable address of a copy: below the public base, or at the relay, signed unless links are open. The base leads to the
 * present target: a copy that is in a former one (`isFormer`) is always had from the relay.
 */
export function mediaLink(place: MediaPlace, key: string, { isFormer = false } = {}): string {
  const path = key.split("/").map(encodeURIComponent).join("/");
  if (place.publicBaseUrl !== null && !isFormer) return `${withoutSlash(place.publicBaseUrl)}/${path}`;
  const signature = place.links === "open" ? "" : `?sig=${signKey(place.secret, key)}`;
  return `${withoutSlash(place.publicUrl)}/media/${path}${signature}`;
}

/** The `sig` of a key: HMAC-SHA256 in base64url, 43 characters. It says nothing of time: the links are durable. */
export function signKey(secret: Uint8Array, key: string): string {
  return createHmac("sha256", secret).update(key).digest("base64url");
}

/** Whether `sig` is the key's. How long it takes tells nothing of the right one. */
export function isSignatureOf(secret: Uint8Array, key: string, sig: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(sig), digest(signKey(secret, key)));
}

function withoutSlash(base: string): string {
  return base.replace(/\/+$/, "");
}
