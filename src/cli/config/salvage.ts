import { inspectJson, type Where } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import { readPlainText } from "../../platform/files/plain-file.ts";

/** The option, or the endpoint, that a problem's line begins with. */
const PLACE = /^([\w$]+)(?:\[(\d+)\])?/;

/** In the place of secrets, which are not read. */
const UNREAD = { env: "WOCHIT_RELAY_UNREAD" };

/** Where a text that is no JSON names the data folder. */
const DATA_DIR = /"dataDir"\s*:\s*("(?:[^"\\]|\\.)*")/;

/**
 * What can be used of a config file that has problems, for commands that only read the database: each option at the top, and
 * each endpoint, that has one is left out. Of a file that is no JSON that is `dataDir`. Null where the file cannot be read.
 * `running`: the endpoints of the relay that runs; they stand for those that cannot be read.
 */
export function salvageConfig(
  path: string,
  where: Omit<Where, "secrets">,
  running: readonly { id: string }[] = [],
): Config | null {
  let text: string;
  try {
    text = readPlainText(path);
  } catch {
    return null;
  }
  const raw = readObject(text);
  let rest = running;
  for (;;) {
    const { config, problems } = inspectJson(raw, path, { ...where, secrets: false });
    const lacking = rest.filter(({ id }) => !config?.endpoints.some((one) => one.id === id));
    if (config !== null && lacking.length === 0) return config;
    if (config !== null) {
      rest = [];
      const own = Array.isArray(raw.endpoints) ? raw.endpoints : [];
      raw.endpoints = [...own, ...lacking.map((one) => ({ ...one, secret: UNREAD }))];
      continue;
    }
    if (!leaveOut(raw, problems)) return null;
  }
}

function readObject(text: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? { ...json } : {};
  } catch {
    const dataDir = DATA_DIR.exec(text)?.[1];
    return dataDir === undefined ? {} : { dataDir: readText(dataDir) };
  }
}

function readText(quoted: string): unknown {
  try {
    return JSON.parse(quoted);
  } catch {
    return undefined;
  }
}

/** False: nothing of these problems is in `raw`. */
function leaveOut(raw: Record<string, unknown>, problems: string[]): boolean {
  const places = problems.map((line) => PLACE.exec(line) ?? []);
  let isChanged = false;
  const wrong = new Set(places.flatMap(([, key, at]) => (key === "endpoints" && at !== undefined ? [Number(at)] : [])));
  if (Array.isArray(raw.endpoints) && wrong.size > 0) {
    raw.endpoints = raw.endpoints.filter((_, at) => !wrong.has(at));
    isChanged = true;
  }
  for (const [, key, at] of places) {
    if (key === undefined || !Object.hasOwn(raw, key) || (key === "endpoints" && at !== undefined)) continue;
    delete raw[key];
    isChanged = true;
  }
  return isChanged;
}
