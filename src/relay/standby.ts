import { mkdtempSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import { openTargets } from "../mirror/open-targets.ts";
import { mediaRoute } from "../mirror/serve/route.ts";
import type { Ports } from "../ports.ts";
import { openReceive } from "../receive/route.ts";
import { openStore } from "../store/open.ts";
import { healthRoutes } from "./health.ts";
import { type Door, openDoor } from "./public-app.ts";
import { refusingStore } from "./refusing-store.ts";

/** What a sick disk answers: it is full, read-only or broken, or this process has no file descriptor left. */
const SICK = /^(E(IO|ROFS|NOSPC|DQUOT|MFILE|NFILE)|SQLITE_(FULL|IOERR|READONLY|CORRUPT|NOTADB|NOMEM)\w*)$/;

/**
 * What is wrong with the disk, or the database file, when the store could not be opened, or not begun with: one line. It may pass, or somebody
 * mends it while the relay answers 503. Null: it is a mistake in the config, or of who may write where; that ends the program.
 */
export function sicknessOf(error: unknown, dataDir: string): string | null {
  // It was opened, and then its first commits failed.
  const couldNotCommit = error instanceof RelayError && error.code === "store_unavailable";
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (couldNotCommit || code === "SQLITE_READONLY" || code === "SQLITE_CANTOPEN" || code === "EROFS") {
      const why = whyUnwritable(dataDir);
      if (why === "EROFS") return `the disk of dataDir ${dataDir} is read-only; make it writable: ${errorLine(error)}`;
      if (why !== null && SICK.test(why)) return errorLine(error);
    }
    if (typeof code === "string" && code !== "SQLITE_READONLY" && SICK.test(code)) return errorLine(error);
  }
  return couldNotCommit ? errorLine(error) : null;
}

/**
 * The system's error for making something in a folder; null: it can be made. Tried, because what the rights say means nothing
 * to root, and nothing on a disk that takes no change.
 */
export function whyUnwritable(dir: string): string | null {
  try {
    rmdirSync(mkdtempSync(join(dir, ".probe-")));
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  }
}

export type Standby = { door: Door; close(): Promise<void> };

/**
 * What the public listener answers while the store cannot be opened for writing: 503 to events (with `Retry-After`) and on
 * `/readyz`; copies are served as far as the database can be read. `trouble`: why; `readsStore` false: copies neither.
 */
export async function openStandby(
  config: Config,
  ports: Ports,
  { trouble, readsStore = true }: { trouble: () => string; readsStore?: boolean },
): Promise<Standby> {
  const { clock, log } = ports;
  const closers: (() => Promise<void>)[] = [];
  const store = refusingStore(trouble);

  async function openMedia() {
    const reader = await openStore(config, ports, { role: "operator" });
    closers.push(() => reader.close());
    const secret = await reader.mediaSecret();
    const targets = await openTargets({ config: config.mirror, dataDir: config.dataDir, store: reader, beside: true });
    closers.push(() => targets.close());
    return mediaRoute({ store: reader, targets, config: config.mirror, secret, log });
  }

  const none = mediaRoute({
    store,
    targets: { at: async () => null },
    config: { links: "open" },
    secret: new Uint8Array(),
    log,
  });
  const media = readsStore ? await openMedia().catch(() => none) : none;
  const door = openDoor(
    {
      receive: openReceive({ store, config, ports, onAccepted() {} }),
      media,
      health: healthRoutes({ store, config, clock }),
    },
    log,
  );
  return {
    door,
    async close() {
      for (const close of closers.reverse()) await close().catch(() => {});
    },
  };
}
