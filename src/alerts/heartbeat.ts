import { within } from "../platform/timing.ts";
import type { Clock, Log } from "../ports.ts";
import type { Store } from "../store/store.ts";
import type { Sender } from "./send.ts";

/** For a commit, in milliseconds: the store itself gives up before. */
const PATIENCE = 15_000;

/** Beats once: a GET where an event could be committed now, and else nothing. What changes is logged. */
export function createHeartbeat(
  url: string,
  { store, sender, clock, log }: { store: Pick<Store, "probe" | "trouble">; sender: Sender; clock: Clock; log: Log },
): () => Promise<void> {
  let trouble: string | null = null;

  async function ask(): Promise<string | null> {
    const isUsable = await within(PATIENCE, clock, () => store.probe()).then(
      () => store.trouble() === null,
      () => false,
    );
    return isUsable ? sender.get(url) : "no event could be committed";
  }

  return async () => {
    const found = await ask();
    if (found === trouble) return;
    if (found === null) log.info("the heartbeat is sent again");
    else log.warn("no heartbeat was sent", { error: found });
    trouble = found;
  };
}
