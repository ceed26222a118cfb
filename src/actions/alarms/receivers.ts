import { type AlertsConfig, type Config, HEARTBEAT } from "../../config/schema.ts";
import { RelayError } from "../../errors.ts";
import { receiverName, type TriedReceiver } from "../../model/alert.ts";
import type { Deed } from "../../model/audit.ts";
import { suggest } from "../../rules/nearest.ts";

/**
 * The receivers and the heartbeat of a config, or what is named: by its name or id, or else its place. RelayError("not_found"):
 * there is none, or not that one; it names the nearest.
 */
export function chosenReceivers({ alerts }: Pick<Config, "alerts">, named: string | null): AlertsConfig {
  if (alerts === null) {
    throw new RelayError("not_found", 'the config has no "alerts": "to" in it names the chats and mail addresses');
  }
  const { to, heartbeat } = alerts;
  if (to.length === 0 && heartbeat === null) {
    throw new RelayError("not_found", "alerts.to of the config names no receiver that can be read here");
  }
  if (named === null) return alerts;
  if (named === HEARTBEAT && heartbeat !== null) return { to: [], heartbeat };
  const called = to.filter(({ id, name }) => id === named || name === named);
  const found = called.length > 0 ? called : to.filter(({ place }) => place === named);
  if (found.length > 0) return { to: found, heartbeat: null };
  const known = to.flatMap((one) => [receiverName(one), one.id, one.place]);
  if (heartbeat !== null) known.push(HEARTBEAT);
  throw new RelayError("not_found", `no receiver "${named}" in alerts.to of the config${suggest(named, known)}`);
}

/** What came of a test of them, for the audit. */
export function triedDeed(named: string | null, tried: TriedReceiver[]): Deed {
  const failed = tried.filter(({ error }) => error !== null);
  const [first] = failed;
  const firstName = first && receiverName({ id: first.receiver, name: first.name });
  return {
    ...{ verb: "alerts test", subject: named, count: tried.length },
    outcome: first === undefined ? "done" : `${failed.length} of ${tried.length} failed: ${firstName}: ${first.error}`,
  };
}
