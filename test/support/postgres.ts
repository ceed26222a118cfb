import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chownSync,
  closeSync,
  existsSync,
  globSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { lastingPort } from "./serve-process.ts";

type Owner = Pick<TestContext, "after">;

/** Where Debian and others put the programs, which are in no PATH; the newest version is taken. */
const FOLDERS = ["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"];
const bin = FOLDERS.flatMap((folder) => globSync(folder))
  .filter((folder) => existsSync(join(folder, "postgres")) && existsSync(join(folder, "initdb")))
  .sort((a, b) => versionIn(a) - versionIn(b))
  .at(-1);

/** Why there is no PostgreSQL on this machine, for `skip`; false: there is one. */
export const noPostgres: string | false =
  bin !== undefined ? false : "no PostgreSQL found (Debian: apt-get install --no-install-recommends postgresql)";

/** The server refuses to run as root: then it is Debian's user. */
const user = process.getuid?.() === 0 ? userNamed("postgres") : null;

export type PostgresServer = {
  /** Its folder; what it says is in the file `log` of it. */
  dir: string;
  port: number;
  /** The address of a database on it, as `store.url` takes it. */
  url(database?: string): string;
  /** Runs statements as its owner, on a connection of their own, and gives their rows, as psql writes them. */
  ask(text: string, database?: string): Promise<string[][]>;
  start(): Promise<void>;
  /** "immediate": as if its machine had failed. */
  stop(how?: "fast" | "immediate"): Promise<void>;
  /** Makes a standby take writes, and resolves when it does. */
  promote(): Promise<unknown>;
  /** Ends it and removes its folder. */
  remove(): Promise<void>;
};

export type PostgresOptions = {
  /** Syncs what it commits: for tests in which a server dies. */
  syncs?: boolean;
  /** On top of those below, as in postgresql.conf. */
  settings?: Record<string, string | number>;
  /** Lines of pg_hba.conf that come first; without them all are let in without a password. */
  access?: string[];
  /** Files in PEM: it speaks TLS to whom asks for it. */
  certificate?: { cert: string; key: string };
};

/**
 * Starts a PostgreSQL of the test's own on a free port of 127.0.0.1, and stops and removes it when the test ends; it also stops
 * by itself when the process dies. Text is ordered as a language does it, as on most servers: what relies on the order of bytes
 * has to ask for it. `startPostgres(null)`: the caller removes it.
 */
export async function startPostgres(t: Owner | null, options: PostgresOptions = {}): Promise<PostgresServer> {
  return start(t, options, (dir) =>
    run("initdb", [
      ...["-D", dir, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--wal-segsize=1"],
      ...(versionIn(bin!) >= 15 ? ["--locale-provider=icu", "--icu-locale=en"] : []),
      ...["--no-sync", "--no-instructions"],
    ]),
  );
}

/** Starts a standby that follows a server by streaming; it is `name` in the server's synchronous_standby_names. */
export async function startStandby(
  t: Owner | null,
  { port }: PostgresServer,
  { name = "standby", ...options }: PostgresOptions & { name?: string } = {},
): Promise<PostgresServer> {
  return start(t, options, (dir) => {
    const primary = `host=127.0.0.1 port=${port} user=postgres application_name=${name}`;
    return run("pg_basebackup", ["-D", dir, "-d", primary, "-R", "-X", "stream", "-c", "fast", "--no-sync"]);
  });
}

async function start(
  t: Owner | null,
  { syncs = false, settings = {}, access = [], certificate }: PostgresOptions,
  make: (dir: string) => Promise<unknown>,
): Promise<PostgresServer> {
  if (bin === undefined) throw new Error(String(noPostgres));
  const parent = mkdtempSync(join(tmpdir(), "relay-postgres-"));
  if (user !== null) chownSync(parent, user.uid, user.gid);
  const dir = join(parent, "data");
  removeAfterAll(parent);
  /** The program, and its end. */
  let running: { child: ChildProcess; ended: Promise<unknown> } | null = null;
  let port = await lastingPort();

  async function launch(): Promise<boolean> {
    const all = {
      ...{ listen_addresses: "127.0.0.1", unix_socket_directories: "", port, logging_collector: "off" },
      ...{ shared_buffers: "32MB", max_connections: 100, max_wal_size: "256MB" },
      ...(syncs ? {} : { fsync: "off", full_page_writes: "off" }),
      ...(certificate && { ssl: "on", ssl_cert_file: "cert.pem", ssl_key_file: "key.pem" }),
      ...settings,
    };
    const log = openSync(join(parent, "log"), "a");
    const command = [
      join(bin!, "postgres"),
      "-D",
      dir,
      ...Object.entries(all).flatMap(([name, to]) => ["-c", `${name}=${to}`]),
    ];
    // The kernel itself ends it with the process that started it: nothing is left behind by a test run that is killed.
    const child = spawn("setpriv", [...asUser(), "--pdeathsig", "QUIT", ...command], {
      ...surroundings,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    child.unref();
    let isOver = false;
    const ended = once(child, "exit")
      .catch(() => {})
      .finally(() => {
        isOver = true;
      });
    running = { child, ended };
    const until = performance.now() + 60_000;
    while (!isOver) {
      if (
        await run("pg_isready", ["-q", "-h", "127.0.0.1", "-p", String(port)]).then(
          () => true,
          () => false,
        )
      )
        return true;
      if (performance.now() > until) throw new Error(`PostgreSQL does not answer: ${tail(parent)}`);
      await sleep(20);
    }
    return false;
  }

  const server: PostgresServer = {
    dir: parent,
    get port() {
      return port;
    },
    url: (database = "postgres") => `postgres://postgres@127.0.0.1:${port}/${database}`,
    async ask(text, database = "postgres") {
      const how = ["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"];
      const where = ["-h", "127.0.0.1", "-p", String(port), "-U", "postgres", "-d", database];
      const lines = (await run("psql", [...how, ...where], text)).split("\n").filter((line) => line !== "");
      return lines.map((line) => line.split("\t"));
    },
    async start() {
      if (!(await launch())) throw new Error(`PostgreSQL has ended: ${tail(parent)}`);
    },
    async stop(how = "fast") {
      await run("pg_ctl", ["-D", dir, "-m", how, "-w", "-t", "60", "stop"]).catch(() => {});
      // Until now it did not keep this process.
      running?.child.ref();
      await running?.ended;
    },
    promote: () => run("pg_ctl", ["-D", dir, "-w", "-t", "60", "promote"]),
    async remove() {
      await server.stop("immediate");
      rmSync(parent, { recursive: true, force: true });
    },
  };
  try {
    await make(dir);
    if (access.length > 0) {
      const file = join(dir, "pg_hba.conf");
      const old = readFileSync(file, "utf8");
      rmSync(file);
      appendFileSync(file, [...access, old].join("\n"), { mode: 0o644 });
    }
    if (certificate !== undefined)
      for (const [name, from] of Object.entries(certificate)) {
        const file = join(dir, `${name}.pem`);
        writeFileSync(file, readFileSync(from), { mode: 0o600 });
        if (user !== null) chownSync(file, user.uid, user.gid);
      }
    // Another test may have taken the port between looking and starting.
    for (let tries = 1; !(await launch()); tries++) {
      if (tries === 3) throw new Error(`PostgreSQL does not start: ${tail(parent)}`);
      port = await lastingPort();
    }
  } catch (error) {
    await server.remove();
    throw error;
  }
  t?.after(server.remove);
  return server;
}

let shared: Promise<PostgresServer> | null = null;
/** Databases of tests that have ended. */
const over: string[] = [];
let databases = 0;

// A script that is no test has no end of its tests; its servers end with it.
if (process.env.NODE_TEST_CONTEXT !== undefined || "Deno" in globalThis) after(async () => (await shared)?.remove());

/** The server of this process, started by the first that asks for it; its tests share it, each with a database of its own. */
export function sharedPostgres(): Promise<PostgresServer> {
  shared ??= startPostgres(null);
  return shared;
}

export type TestDatabase = { url: string; name: string; server: PostgresServer };

/** A database of the test's own on the server of this process: empty, or as `template` is. */
export async function testDatabase(t: Owner, { template = "template0" } = {}): Promise<TestDatabase> {
  const server = await sharedPostgres();
  const name = `test_${++databases}`;
  // Dropped only with the next one: what the test has open is closed by then, in whatever order its ends are called.
  for (const old of over.splice(0)) await server.ask(`DROP DATABASE IF EXISTS ${old} WITH (FORCE)`);
  await server.ask(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  t.after(() => void over.push(name));
  return { url: server.url(name), name, server };
}

/** Nothing of the test's own: a clock that is shifted for a test run stays the test's. */
const surroundings = { cwd: "/", env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" } };

/** One of the server's programs to its end, and what it wrote; throws with what it wrote of its errors. */
async function run(program: string, args: string[], input = ""): Promise<string> {
  const child = spawn("setpriv", [...asUser(), join(bin!, program), ...args], surroundings);
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text) => {
      said[name] += text;
    });
  child.stdin.on("error", () => {}); // it may end without reading its input
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${program} failed (${code}): ${said.stderr.trim()}`);
  return said.stdout;
}

/** The folder goes with this process, however that ends: its end closes the other one's input. */
function removeAfterAll(folder: string): void {
  // The server has until then to end.
  const child = spawn("sh", ["-c", 'cat >/dev/null; sleep 2; rm -rf -- "$0"', folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  child.unref();
  (child.stdin as Socket).unref();
}

function asUser(): string[] {
  return user === null ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--init-groups"];
}

function tail(parent: string): string {
  try {
    return readFileSync(join(parent, "log"), "utf8").trim().split("\n").slice(-5).join("\n");
  } catch {
    return "it wrote nothing";
  }
}

function versionIn(folder: string): number {
  return Number(/(\d+)\/bin$/.exec(folder)?.[1] ?? 0);
}

function userNamed(name: string): { uid: number; gid: number } | null {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((each) => each.startsWith(`${name}:`));
  if (line === undefined) return null;
  const [, , uid, gid] = line.split(":");
  return { uid: Number(uid), gid: Number(gid) };
}
