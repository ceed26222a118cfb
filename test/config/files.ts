import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { inspectConfig, loadConfig } from "../../src/config/load.ts";
import { SECRET } from "../support/config.ts";

type Env = Record<string, string>;

/** Config files in a folder of the test file's own, which goes when its tests have ended. A text is written as it is. */
export function openConfigFiles() {
  const folder = mkdtempSync(join(tmpdir(), "wochit-relay-config-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let files = 0;
  const write = (config: unknown): string => {
    const path = join(folder, `config-${files++}.json`);
    writeFileSync(path, typeof config === "string" ? config : JSON.stringify(config));
    return path;
  };
  return {
    folder,
    write,
    load: (config: unknown, env: Env = {}) => loadConfig(write(config), { env, cwd: "/" }),
    problemsOf: (config: unknown, env: Env = {}) => inspectConfig(write(config), { env, cwd: "/" }).problems,
  };
}

/** One valid endpoint with these members changed. */
export function endpoint(members: object = {}) {
  return { id: "app", url: "https://app.example.com/hook", secret: SECRET, ...members };
}
