import { inspectJson, type Where } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import { readPlainText } from "../../platform/files/plain-file.ts";

/** The option, or the endpoint, that a problem's line begins with. */
const PLACE = /^([\w$]+)(?:\[(\d+)\])?/;

/** Where a text that is no JSON names a database of several relays. */
const STORE = /"store"\s*:\s*\{/;

/** Where a text that is no JSON names the data folder. */
const DATA_DIR = /"dataDir"\s*:\s*("(?:[^"\\]|\\.)*")/;

/**
 * What can be used of a config file that has problems, for commands that only read the database: each option at the top, and
 * each endpoint, that has one is left out. Of a file that is no JSON that is `dataDir`. Null where the file cannot be read, and
 * where it is not known which database it names.
 */
export function salvageConfig(path: string, where: Omit<Where, "secrets">): Config | null {
  let text: string;
  try {
    text = readPlainText(path);
  } catch {
    return null;
  }
  const raw = readObject(text);
  const isLittle = Object.keys(raw).every((key) => key === "dataDir");
  const isOnServer = raw.store != null || (isLittle && STORE.test(text));
  for (;;) {
    const { config, problems } = inspectJson(raw, path, { ...where, secrets: false });
    if (config !== null || !leaveOut(raw, problems)) return isOnServer && config?.store == null ? null : config;
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
