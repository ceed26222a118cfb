import { statfs } from "node:fs/promises";
import { Hono } from "hono";
import type { Config } from "../config.ts";
import type { Clock } from "../domain.ts";
import type { Store } from "../store/store.ts";

/** A health check must answer soon, whatever the disk does. */
const PROBE_PATIENCE = 500;

/** `GET /healthz` and `GET /readyz` (CONTRACT, "Public listener"): no login, nothing told that an attacker could use. */
export function healthRoutes({ store, config, clock }: { store: Store; config: Config; clock: Clock }): Hono {
  const app = new Hono();
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    if (store.trouble() !== null) {
      // Nobody may be sending while this says 503: so it is this request that finds out whether the trouble is over.
      await new Promise<void>((resolve) => {
        const cancel = clock.after(PROBE_PATIENCE, resolve);
        store
          .probe()
          .catch(() => {})
          .finally(() => {
            cancel();
            resolve();
          });
      });
    }
    if (store.trouble() !== null)
      return c.json({ status: "unavailable", reasons: ["events cannot be committed"] }, 503);
    const reasons = (await isDiskLow(config)) ? ["free disk space is below mirror.minFreeDisk"] : [];
    return c.json(reasons.length === 0 ? { status: "ready" } : { status: "ready", degraded: true, reasons });
  });
  return app;
}

async function isDiskLow({ dataDir, mirror }: Config): Promise<boolean> {
  const { bavail, bsize } = await statfs(dataDir);
  return mirror.enabled && bavail * bsize < mirror.minFreeDisk;
}
