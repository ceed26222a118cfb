/** What the generators know of the run. */
export type Ground = {
  /** A port on which a trap listens: nobody may call it. */
  trapPort: number;
  /** A folder beside the data folder, into which nothing may be written. */
  outside: string;
  /** The provider's documented events, byte for byte. */
  seeds: Uint8Array[];
};

export const MIB = 2 ** 20;

export function text(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value));
}
