import { hash, timingSafeEqual } from "node:crypto";

/** Whether two texts are equal. Compares digests in constant time, so that the duration reveals nothing of a secret. */
export function isSameSecret(given: string, secret: string): boolean {
  return timingSafeEqual(hash("sha256", given, "buffer"), hash("sha256", secret, "buffer"));
}
