import { createHash } from "node:crypto";

/** In hex, made without the code under test. */
export function sha256Of(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}
