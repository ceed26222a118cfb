import { setImmediate } from "node:timers";

/** Calls `run` once after the current turn of the event loop, however often the returned function is called in it. */
export function createWake(run: () => void): () => void {
  let scheduled = false;
  return () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      run();
    });
  };
}
