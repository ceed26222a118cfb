import { errorLine } from "../errors.ts";

/** Work for receivers, one at a time for each: one that is slow keeps no other back. */
export type Each = {
  /** Whether nothing is being done for this one. */
  isFree(receiver: string): boolean;
  /** Begins it, and does not wait for its end. */
  begin(receiver: string, work: () => Promise<void>): void;
  /** Resolves when all that has begun has ended. */
  ended(): Promise<void>;
};

/** `failed` hears, as one line, why work was rejected, where that is another reason than the last time. */
export function forEachReceiver(failed: (error: string) => void): Each {
  const running = new Map<string, Promise<void>>();
  const troubles = new Map<string, string>();
  function note(receiver: string, found: string): void {
    if (found !== "" && found !== troubles.get(receiver)) failed(found);
    troubles.set(receiver, found);
  }
  return {
    isFree: (receiver) => !running.has(receiver),
    begin(receiver, work) {
      const ended = work()
        .then(() => "", errorLine)
        .then((found) => note(receiver, found))
        .finally(() => running.delete(receiver));
      running.set(receiver, ended);
    },
    async ended() {
      await Promise.all(running.values());
    },
  };
}
