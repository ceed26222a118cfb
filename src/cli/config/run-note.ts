import { open, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { shownUrl } from "../../config/hidden.ts";
import type { Config, Endpoint } from "../../config/schema.ts";
import { userOf } from "../../platform/processes/other-process.ts";

/** How a running relay's last reading of its config ended. With problems the former config holds. Times are milliseconds. */
export type ReloadNote = {
  /** When it began to read the file. */
  begunAt: number;
  /** The file; null: the defaults. */
  config: string | null;
  problems: string[];
  warnings: string[];
  /** Names of options: those that changed, and those that wait for the next start. */
  changed: string[];
  needsRestart: string[];
  /** Environment variables that secrets are read from: their values are those of the start. */
  environment: string[];
};

/** What a running relay writes down for commands: which process it is, since when, of which version, where it listens, and its last reload. */
export type RunNote = {
  pid: number;
  namespace: string | null;
  /** Null: noted by one of before 0.3. */
  version: string | null;
  startedAt: number | null;
  /** The origin of the public listener, like "http://0.0.0.0:8080"; null: as with `version`. */
  origin: string | null;
  reload: ReloadNote | null;
  /** The file that it was started with; null: the defaults. */
  config: string | null;
  /** What of its config commands need while the file cannot be read; null: as with `version`. */
  holds: NotedConfig | null;
};

type NotedEndpoint = Omit<Endpoint, "keys" | "secrets" | "headers" | "tls">;

/** What of a config concerns the store, and the endpoints as they are shown; nothing secret. */
type NotedConfig = {
  endpoints: NotedEndpoint[];
  receive: Pick<Config["receive"], "dedupeWindow" | "keepRefused">;
  mirror: Pick<Config["mirror"], "enabled" | "onDelete" | "deleteAfter" | "linkLifetime">;
};

export function notedConfig({ endpoints, receive, mirror }: Config): NotedConfig {
  const { enabled, onDelete, deleteAfter, linkLifetime } = mirror;
  return {
    endpoints: endpoints.map(({ keys: _keys, secrets: _secrets, headers: _headers, tls: _tls, url, ...rest }) => ({
      ...rest,
      url: shownUrl(url),
    })),
    receive: { dedupeWindow: receive.dedupeWindow, keepRefused: receive.keepRefused },
    mirror: { enabled, onDelete, deleteAfter, linkLifetime },
  };
}

const ofNote = (noted: NotedEndpoint): Endpoint => ({ ...noted, keys: [], secrets: [], headers: {}, tls: null });

/** A config with the endpoints of a relay that runs in place of those that it lacks. */
export function withNotedEndpoints(config: Config, { endpoints }: NotedConfig): Config {
  const lacking = endpoints.filter(({ id }) => !config.endpoints.some((one) => one.id === id));
  return { ...config, endpoints: [...config.endpoints, ...lacking.map(ofNote)] };
}

/** What the relay that runs does by; the rest, which the store does not ask, as in `config`. */
export function asNoted(config: Config, { endpoints, receive, mirror }: NotedConfig): Config {
  return {
    ...config,
    endpoints: endpoints.map(ofNote),
    receive: { ...config.receive, ...receive },
    mirror: { ...config.mirror, ...mirror },
  };
}

const noteOf = (dataDir: string) => join(dataDir, "relay.run");

/** Replaces the note as a whole. Rejects with the system's error. */
export async function writeRunNote(dataDir: string, note: RunNote): Promise<void> {
  const path = noteOf(dataDir);
  await writeFile(`${path}~`, JSON.stringify(note), { mode: 0o600 });
  await rename(`${path}~`, path);
}

/**
 * The note in a data folder; null without one. It is believed only of a process of the user who wrote it: a signal that root
 * sends must not go where the relay's user may not send one.
 */
export async function readRunNote(dataDir: string): Promise<RunNote | null> {
  const file = await open(noteOf(dataDir)).catch(() => null);
  try {
    if (file === null) return null;
    const {
      pid = 0,
      namespace = null,
      reload = null,
      config = null,
      holds = null,
      ...of
    }: Partial<RunNote> = JSON.parse(await file.readFile("utf8"));
    if (!Number.isSafeInteger(pid) || pid <= 0) return null;
    const [user, { uid }] = [userOf(pid), await file.stat()];
    const { version = null, startedAt = null, origin = null } = of;
    return user === null || user === uid ? { pid, namespace, version, startedAt, origin, reload, config, holds } : null;
  } catch {
    return null;
  } finally {
    await file?.close();
  }
}
