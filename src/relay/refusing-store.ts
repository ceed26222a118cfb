import { RelayError } from "../errors.ts";
import type { Backups } from "../store/backups.ts";
import type { Store, StoreVerbs } from "../store/store.ts";
import { backupVerbs, storeVerbs } from "../store/verbs.ts";

/** A store in which every verb rejects with RelayError("store_unavailable"). `trouble`: why. */
export function refusingStore(trouble: () => string): Store {
  const refuse = async () => {
    throw new RelayError("store_unavailable", trouble());
  };
  const refuseAll = <Port>(table: Record<keyof Port, unknown>) =>
    Object.fromEntries(Object.keys(table).map((verb) => [verb, refuse])) as Port;
  return {
    ...refuseAll<StoreVerbs>(storeVerbs),
    backups: refuseAll<Backups>(backupVerbs),
    shared: null,
    configure() {},
    trouble,
    damage: () => null,
    disproveDamage() {},
    wasUnclean: () => false,
    close: async () => {},
  };
}
