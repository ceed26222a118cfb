import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { loadConfig } from "../../src/config/load.ts";
import type { Config, ConfigInput } from "../../src/config/schema.ts";
import { openRelay, type Relay } from "../../src/relay.ts";
import { type RealPorts, realPorts } from "./real-ports.ts";
import { lastingPort } from "./serve-process.ts";

/** The program as a user starts it, under this very runtime: here the process's own main file is a test. */
const PROGRAM = {
  command: process.execPath,
  args: [...("Deno" in globalThis ? ["run", "-A"] : []), join(import.meta.dirname, "../../src/main.ts")],
};

/** With TEST_STORE=postgres the relays of a test run are on a server of its own, each on a database; one has its folder of copies all the same. */
const postgres = process.env.TEST_STORE === "postgres" ? await import("./postgres.ts") : null;
let databases = 0;

async function makeDatabase(): Promise<Config["store"]> {
  if (postgres === null) return null;
  const server = await postgres.sharedPostgres();
  const name = `relay_${++databases}`;
  await server.ask(`CREATE DATABASE ${name} TEMPLATE template0`);
  return { url: server.url(name), ca: null };
}

/** The secret of the endpoints that `endpointTo` makes, and its form for the consumers' libraries. */
export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

export type RelayInFolder = {
  /** "http://127.0.0.1:<port>" */
  url: string;
  port: number;
  /** Where to post webhooks. */
  webhooks: string;
  /** The temp folder: config.json, and data/ with the database. */
  dir: string;
  configPath: string;
  config: Config;
  /** What it logged, in `log.facts`. */
  ports: RealPorts;
  /** Closes it and opens it anew over the same folder and port, with other options if given. */
  restart(overrides?: ConfigInput): Promise<void>;
  /** What SIGHUP does: the running relay takes another config, with these options changed; `change`: after the check. */
  reload(overrides: ConfigInput, change?: (config: Config) => void): ReturnType<Relay["reload"]>;
  /** Stops it; `restart` opens it again. */
  stop(): Promise<void>;
  /** Stops it and removes the folder. */
  close(): Promise<void>;
};

/**
 * A relay in this process over a temp folder of its own. Overrides are merged into: listens on a free port of 127.0.0.1,
 * takes webhooks from there, may fetch media from there, and needs little free disk.
 */
export async function startRelay(overrides: ConfigInput = {}, ports: RealPorts = realPorts()): Promise<RelayInFolder> {
  const dir = await mkdtemp(join(tmpdir(), "wochit-relay-test-"));
  const configPath = join(dir, "config.json");
  const store = overrides.store == null ? await makeDatabase() : null;
  let given = overrides;

  async function write(port: number) {
    const address = `127.0.0.1:${port}`;
    const input: ConfigInput = {
      dataDir: "data",
      admin: null,
      ...given,
      server: { listen: address, publicUrl: `http://${address}`, ...given.server },
      receive: { allowFrom: ["127.0.0.1"], ...given.receive },
      mirror: { allowPrivateAddresses: true, minFreeDisk: 0, ...given.mirror },
    };
    await writeFile(configPath, JSON.stringify(input, null, 2));
    const config = loadConfig(configPath, { env: {}, cwd: dir });
    if (store === null) return config;
    // Commands find the database; a config that says both would be refused for its folder of copies.
    const forCommands = { ...input, store: { url: store.url }, mirror: { ...input.mirror, enabled: false } };
    await writeFile(configPath, JSON.stringify(forCommands, null, 2));
    return { ...config, store };
  }

  async function open(port: number) {
    const config = await write(port);
    return { config, relay: await openRelay(config, ports, { self: PROGRAM }) };
  }

  try {
    let { config, relay } = await onFreePort(open);
    return {
      get url() {
        return `http://127.0.0.1:${relay.port}`;
      },
      get port() {
        return relay.port;
      },
      get webhooks() {
        return [relay.url, ...config.receive.tokens.slice(0, 1)].join("/");
      },
      get config() {
        return config;
      },
      dir,
      configPath,
      ports,
      async restart(next) {
        given = { ...given, ...next };
        const { port } = relay;
        await relay.close();
        ({ config, relay } = await open(port));
      },
      async reload(next, change) {
        given = { ...given, ...next };
        config = await write(relay.port);
        change?.(config);
        return relay.reload(config);
      },
      stop: () => relay.close(),
      async close() {
        await relay.close();
        await rm(dir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

type EndpointInput = NonNullable<ConfigInput["endpoints"]>[number];

/** An endpoint that sends to this address: id "app", SECRET, short waits between attempts. */
export function endpointTo(url: string, overrides: Partial<EndpointInput> = {}): EndpointInput {
  return { id: "app", url, secret: SECRET, retry: ["50ms", "100ms", "200ms", "1s"], ...overrides };
}

/**
 * The port must be known before the start, because the addresses of media hold it. Between our asking for a free one
 * and its use another process can take it: then once more, with another.
 */
async function onFreePort<T>(open: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await open(await lastingPort());
    } catch (error) {
      if (tries === 3 || !/EADDRINUSE/.test(String((error as Error).message))) throw error;
    }
  }
}
