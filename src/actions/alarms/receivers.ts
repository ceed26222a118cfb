import type { AlertReceiver, Config } from "../../config/schema.ts";
import { RelayError } from "../../errors.ts";
import type { TriedReceiver } from "../../model/alert.ts";
import type { Deed } from "../../model/audit.ts";
import { suggest } from "../../rules/nearest.ts";

/**
 * The receivers of a config, or the one that is named by its id or its place. RelayError("not_found"): there is none, or not that
 * one; it names the nearest.
 */
export function configuredReceivers({ alerts }: Pick<Config, "alerts">, named: string | null): AlertReceiver[] {
  const all = alerts?.to ?? [];
  if (alerts === null) {
    throw new RelayError("not_found", 'the config has no "alerts": "to" in it names the chats and mail addresses');
  }
  if (all.length === 0) {
    throw new RelayError("not_found", "alerts.to of the config names no receiver that can be read here");
  }
  const found = named === null ? all : all.filter(({ id, place }) => id === named || place === named);
  if (found.length > 0) return found;
  const known = all.flatMap(({ id, place }) => [id, place]);
  throw new RelayError("not_found", `no receiver "${named}" in alerts.to of the config${suggest(named!, known)}`);
}

/** What came of a test of them, for the audit. */
export function triedDeed(named: string | null, tried: TriedReceiver[]): Deed {
  const failed = tried.filter(({ error }) => error !== null);
  const [first] = failed;
  return {
    ...{ verb: "alerts test", subject: named, count: tried.length },
    outcome:
      first === undefined ? "done" : `${failed.length} of ${tried.length} failed: ${first.receiver}: ${first.error}`,
  };
}
