import { Buffer } from "node:buffer";
import { createCipheriv } from "node:crypto";
import { seededRandom } from "./random.ts";

const BLOCK = 16;

/**
 * Bytes that look random and are always the same for a seed, readable from any position on: the key stream of AES in counter
 * mode (NIST SP 800-38A, 6.5), whose blocks are made from their number alone. A gigabyte takes a second.
 */
export function createNoise(seed: string | number): (position: number, length: number) => Uint8Array {
  const key = seededRandom(seed).bytes(BLOCK);
  return (position, length) => {
    const counter = Buffer.alloc(BLOCK);
    counter.writeBigUInt64BE(BigInt(Math.floor(position / BLOCK)), 8);
    const skip = position % BLOCK;
    return createCipheriv("aes-128-ctr", key, counter)
      .update(new Uint8Array(skip + length))
      .subarray(skip);
  };
}
