import { mkdtempSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { createFeedWaits } from "../actions/feed/waits.ts";
import type { StorePlace } from "../admin/operation.ts";
import type { Config } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import { holdLinkSecrets } from "../links/link-secrets.ts";
import { openTargets } from "../mirror/open-targets.ts";
import { createCopies } from "../mirror/serve/copy.ts";
import { mediaRoute } from "../mirror/serve/route.ts";
import { errorAnswer } from "../platform/http/server.ts";
import type { Ports } from "../ports.ts";
import { openReceive } from "../receive/route.ts";
import { openStore } from "../store/open.ts";
import { healthRoutes } from "./health.ts";
import { openDoor } from "./public-app.ts";
import { refusingStore } from "./refusing-store.ts";

/**
 * Error codes of a disk that is full, read-only or broken, of a process that has no file descriptor left, and of a database that
 * another process holds.
 */
const SICK = /^(E(IO|ROFS|NOSPC|DQUOT|MFILE|NFILE)|SQLITE_(FULL|IOERR|READONLY|CORRUPT|NOTADB|NOMEM|BUSY|LOCKED)\w*)$/;

/**
 * Why the store could not be opened or started, in one line, where the cause is the disk or the database file: it may pass, or
 * be repaired while the relay answers 503. Null: the config or the access rights are wrong, and the program ends.
 */
export function sicknessOf(error: unknown, dataDir: string): string | null {
  // The store was opened, and its first commits failed.
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

/** Whether a sickness is that another process holds the database. */
export const isHeld = (sickness: string) => /SQLITE_(BUSY|LOCKED)/.test(sickness);

/**
 * The system's error code for making a folder in `dir`; null: it works. It is tried, because permission bits mean nothing to
 * root, nor on a read-only disk.
 */
export function whyUnwritable(dir: string): string | null {
  try {
    rmdirSync(mkdtempSync(join(dir, ".probe-")));
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  }
}

export type Standby = Awaited<ReturnType<typeof openStandby>>;

/**
 * What the public listener answers while the store cannot be opened for writing: 503 to events (with `Retry-After`) and on
 * `/readyz`; copies are served as far as the database can be read. `trouble`: why; `readsStore` false: no copies either.
 */
export async function openStandby(
  config: Config,
  ports: Ports,
  { trouble, readsStore = true }: { trouble: () => string; readsStore?: boolean },
) {
  const { clock, log } = ports;
  const closers: (() => Promise<void>)[] = [];
  const store = refusingStore(trouble);
  const refuse = async () => {
    throw new RelayError("store_unavailable", trouble());
  };

  async function openMedia() {
    const reader = await openStore(config, ports, { role: "operator" });
    closers.push(() => reader.close());
    const secrets = holdLinkSecrets(await reader.linkSecrets(), reader.linkSecrets, clock);
    const targets = await openTargets({ config: config.mirror, dataDir: config.dataDir, store: reader, beside: true });
    closers.push(() => targets.close());
    const copies = createCopies({ store: reader, targets, log });
    return mediaRoute({ store: reader, copies, config: config.mirror, secrets });
  }

  const none = () => errorAnswer("store_unavailable", "the relay cannot read its database; ask again");
  const door = openDoor(
    {
      receive: openReceive({ store, config, ports }),
      media: readsStore ? await openMedia().catch(() => none) : none,
      health: healthRoutes({ store, config, clock }),
    },
    log,
  );
  return {
    door,
    place: {
      ...{ store, config, ports, openLink: async () => () => null },
      tryEndpoint: refuse,
      tryReceivers: refuse,
      acceptKept: refuse,
      copies: () => ({ serve: refuse, origins: async () => [] }),
      targetTrouble: () => null,
      feedWaits: createFeedWaits(ports.clock),
      refreshLinks: async () => {},
      wake() {},
    } satisfies StorePlace,
    async close() {
      for (const close of closers.reverse()) await close().catch(() => {});
    },
  };
}
