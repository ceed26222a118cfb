import { RelayError } from "../errors.ts";
import type { Store } from "../store/store.ts";

/** A store in which every verb rejects with RelayError("store_unavailable"). `trouble`: why. */
export function refusingStore(trouble: () => string): Store {
  const refuse = () => Promise.reject(new RelayError("store_unavailable", trouble()));
  const own: Partial<Store> = { trouble, damage: () => null, configure() {}, close: async () => {} };
  return new Proxy(own as Store, {
    get: (store, verb) => Reflect.get(store, verb) ?? refuse,
  });
}
