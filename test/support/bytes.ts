import { createCipheriv, createHash } from "node:crypto";

/** Bytes that are different everywhere, and others for each key. */
export function noise(length: number, key = 0): Buffer {
  return createCipheriv("aes-128-ctr", Buffer.alloc(16, key), Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** In hex, made without the code under test. */
export function sha256Of(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
