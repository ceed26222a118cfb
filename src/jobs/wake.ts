import { setImmediate } from "node:timers";

/** Many reasons to wake in one turn of the event loop are one: `run` is called once, after that turn. */
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
