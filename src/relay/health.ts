import { Hono } from "hono";
import { ADMIN_CLOSED, DISK_LOW, TARGET_DOWN } from "../actions/relay/ready.ts";
import type { Config } from "../config/schema.ts";
import { freeBytes } from "../platform/files/disk-space.ts";
import { within } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import type { Store } from "../store/store.ts";

/** Timeout for the probe of the store, in milliseconds: a health check answers soon on a slow disk, too. */
const PROBE_PATIENCE = 500;

type Watched = { dataDir: string; mirror: Pick<Config["mirror"], "enabled" | "minFreeDisk"> };

/**
 * `GET /healthz` and `GET /readyz` (CONTRACT, "Public listener"): no login, and no detail that an attacker could use.
 * `targetTrouble`: why copies cannot be stored; `spoolTrouble`: why nothing can be downloaded; null: nothing is wrong. Their
 * words are in the log, not in the answer.
 */
export function healthRoutes(options: {
  store: Pick<Store, "trouble" | "probe">;
  config: Watched;
  clock: Clock;
  targetTrouble?: () => string | null;
  spoolTrouble?: () => string | null;
  /** What is wrong with the database. Events are accepted nevertheless. */
  damage?: () => string | null;
  /** Of the admin listener. */
  adminTroubles?: () => string[];
  /** Of the relays of the store together, in words for anyone. */
  othersTrouble?: () => string | null;
}): Hono {
  const { store, config, clock } = options;
  const targetTrouble = options.targetTrouble ?? (() => null);
  const spoolTrouble = options.spoolTrouble ?? (() => null);
  const damage = options.damage ?? (() => null);
  const app = new Hono();
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    if (store.trouble() !== null) {
      // A load balancer sends nothing while this answers 503, so this request finds out whether the store works again.
      await within(PROBE_PATIENCE, clock, () => store.probe()).catch(() => {});
    }
    if (store.trouble() !== null)
      return c.json({ status: "unavailable", reasons: ["events cannot be committed"] }, 503);
    const reasons: string[] = [];
    if (damage() !== null) reasons.push("the database is damaged: doctor says what to do");
    const { enabled } = config.mirror;
    const space = enabled ? await diskTrouble(config) : null;
    if (space !== null) reasons.push(space);
    // With mirroring off, too: earlier downloads are still uploaded.
    if (targetTrouble() !== null) reasons.push(TARGET_DOWN);
    if (enabled && spoolTrouble() !== null) reasons.push("the spool cannot be used: media are not downloaded");
    if (options.adminTroubles?.().length) reasons.push(ADMIN_CLOSED);
    const others = options.othersTrouble?.() ?? null;
    if (others !== null) reasons.push(others);
    return c.json(reasons.length === 0 ? { status: "ready" } : { status: "ready", degraded: true, reasons });
  });
  return app;
}

async function diskTrouble({ dataDir, mirror }: Watched): Promise<string | null> {
  try {
    return (await freeBytes(dataDir)) < mirror.minFreeDisk ? DISK_LOW : null;
  } catch {
    return "free disk space cannot be read";
  }
}
