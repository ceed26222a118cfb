import type { Log } from "../ports.ts";
import type { Store } from "../store/store.ts";

/**
 * Says loudly that backups lie in a target that has become public: the config alone cannot tell. Those that are no longer
 * there are forgotten. `has`: whether the target holds a key; where that cannot be told it is taken to.
 */
export async function warnOfPublicBackups(
  publicBaseUrl: string | null,
  store: Pick<Store, "backups">,
  has: (key: string) => Promise<boolean>,
  log: Pick<Log, "error">,
): Promise<void> {
  if (publicBaseUrl === null) return;
  const there: string[] = [];
  for (const { id, place, name } of await store.backups.list()) {
    if (place !== "target") continue;
    if (await has(name).catch(() => true)) there.push(name);
    else await store.backups.forget(id);
  }
  if (there.length === 0) return;
  log.error("backups lie in a public target: whoever has their names reads every event; remove them", {
    publicBaseUrl,
    count: there.length,
    newest: there[0],
  });
}
