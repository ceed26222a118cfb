import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import type { Config, ConfigInput } from "../../src/config/schema.ts";
import { systemClock, systemRandom } from "../../src/platform/runtime.ts";
import type { Ports } from "../../src/ports.ts";
import { createAccept } from "../../src/receive/accept.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { bodyTemplate, fillBody, spreadId } from "./load/bodies.ts";

/** How many are stored in one commit. */
const AT_ONCE = 200;

let runs = 0;

/** Opens the store of a folder as the relay would, with nothing logged. */
export async function openBenchStore(dir: string, given: ConfigInput): Promise<{ store: Store; config: Config }> {
  const path = join(dir, "config.json");
  writeFileSync(path, JSON.stringify(given, null, 2));
  const config = loadConfig(path, { env: {}, cwd: dir });
  const quiet = () => {};
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const ports: Ports = { clock: systemClock(), random: systemRandom(), log };
  return { store: await openStore(config, ports, { role: "relay" }), config };
}

/** Takes so many events in through the relay's own way, each of a video of its own. */
export async function acceptEvents(store: Store, events: number): Promise<void> {
  const accept = createAccept({ store });
  const template = bodyTemplate();
  const run = ++runs * 2 ** 12 + (Date.now() % 2 ** 12);
  for (let from = 0; from < events; from += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, events - from) }, (_, at) =>
      accept(Buffer.from(fillBody(template, spreadId(run, from + at))), "127.0.0.1", Date.now()),
    );
    await Promise.all(batch);
  }
}
