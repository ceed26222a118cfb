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
  /** The endpoints that it sends to, as a config names them, without what is secret. */
  endpoints: NotedEndpoint[];
};

export type NotedEndpoint = Pick<Endpoint, "id" | "url" | "events" | "body" | "send" | "order" | "paused">;

/** What commands are to know of endpoints while the config file cannot be read. */
export const notedEndpoints = ({ endpoints }: Pick<Config, "endpoints">): NotedEndpoint[] =>
  endpoints.map(({ id, url, events, body, send, order, paused }) => ({
    ...{ id, url: shownUrl(url), events, body, send, order, paused },
  }));

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
      endpoints = [],
      config = null,
      ...of
    }: Partial<RunNote> = JSON.parse(await file.readFile("utf8"));
    if (!Number.isSafeInteger(pid) || pid <= 0) return null;
    const [user, { uid }] = [userOf(pid), await file.stat()];
    const { version = null, startedAt = null, origin = null } = of;
    return user === null || user === uid
      ? { pid, namespace, version, startedAt, origin, reload, config, endpoints }
      : null;
  } catch {
    return null;
  } finally {
    await file?.close();
  }
}
