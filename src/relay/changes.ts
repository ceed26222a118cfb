import { isDeepStrictEqual } from "node:util";
import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import type { Log } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { defaultTarget, type Target } from "../targets/table.ts";

/**
 * What a reload has come to: the names of the options that changed ("admin-token": the file in the data folder), of those that
 * wait for the next start, and what is wrong beside the config, a line each.
 */
export type Taken = { changed: string[]; needsRestart: string[]; warnings: string[] };

/**
 * What a newly read config means for a relay that runs. `config` holds from now on: the new one, with the old values where a
 * change needs a restart (the folder that is locked, the socket, the form of the log). `changed`: parts that changed, by their
 * names in the file ("receive"). `needsRestart`: options whose change is not taken before the next start.
 */
export function compareConfigs(now: Config, next: Config): { config: Config } & Taken {
  const needsRestart: string[] = [];
  const keep = <T>(name: string, old: T, wanted: T): T => {
    if (!isDeepStrictEqual(old, wanted)) needsRestart.push(name);
    return old;
  };
  // It is in the data folder that holds.
  const stay = (target: Target): Target =>
    isDeepStrictEqual(target, defaultTarget(next.dataDir)) ? defaultTarget(now.dataDir) : target;
  const speaksTls = (next.server.tls === null) === (now.server.tls === null);
  const config: Config = {
    ...next,
    dataDir: keep("dataDir", now.dataDir, next.dataDir),
    store: keep("store", now.store, next.store),
    mirror: { ...next.mirror, target: stay(next.mirror.target), formerTargets: next.mirror.formerTargets.map(stay) },
    server: {
      ...next.server,
      listen: keep("server.listen", now.server.listen, next.server.listen),
      tls: speaksTls ? next.server.tls : keep("server.tls", now.server.tls, next.server.tls),
    },
    log: { ...next.log, format: keep("log.format", now.log.format, next.log.format) },
  };
  const parts = (Object.keys(config) as (keyof Config)[]).filter((part) => part !== "warnings" && part !== "file");
  const changed = parts.filter((part) => !isDeepStrictEqual(now[part], config[part]));
  return { config, changed, needsRestart, warnings: [] };
}

/** Enters in the audit which parts a reload has changed. It is not awaited: the config holds whatever becomes of that. */
export function noteReload(store: Pick<Store, "noteDeed">, changed: string[], log: Pick<Log, "warn">): void {
  if (changed.length === 0) return;
  const deed = { verb: "reload" as const, subject: changed.join(", "), count: null, outcome: "done" };
  store.noteDeed({ through: "relay", by: "SIGHUP" }, deed).catch((error) => {
    log.warn("the audit could not take a note of the reload", { error: errorLine(error) });
  });
}
