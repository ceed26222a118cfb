import { chmodSync, chownSync, mkdirSync, readdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, isThere, type Program, runProgram, startProgram } from "../processes.ts";

/** The servers that the peers store their jobs in, each over an empty folder, on a port of its own, and as durable as the relay. */
export type Service = Program & { port: number };

/** Name and version of those that are installed here. */
export async function readServiceVersions(): Promise<string[]> {
  const redis = await runProgram("redis-server", ["--version"]).catch(() => "");
  const postgres = await (async () => runProgram(join(findPostgres(), "postgres"), ["--version"]))().catch(() => "");
  return [
    ...[...redis.matchAll(/v=(\S+)/g)].map(([, version]) => `Redis ${version}`),
    ...[...postgres.matchAll(/PostgreSQL\) (\S+)/g)].map(([, version]) => `PostgreSQL ${version}`),
  ];
}

/** Redis that syncs its log before it answers. */
export async function startRedis(dir: string): Promise<Service> {
  if (!(await isThere("redis-server", "--version")))
    throw new Error("redis-server is missing: apt-get install redis-server");
  const port = await freePort();
  const options = { dir, bind: "127.0.0.1", port, save: "", appendonly: "yes", appendfsync: "always" };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return { port, ...(await startProgram("redis-server", args, { port, cwd: dir })) };
}

/** Debian has the server's programs in a folder for each version, and not in PATH. */
const DEBIAN = "/usr/lib/postgresql";

const READY_WITHIN = 30_000;

/** PostgreSQL with its defaults: fsync and synchronous_commit are on. */
export async function startPostgres(dir: string): Promise<Service> {
  const bin = findPostgres();
  const data = join(dir, "postgres");
  mkdirSync(data);
  const as = await findUser(data);
  const run = (command: string, args: string[]) => [...as, join(bin, command), ...args] as [string, ...string[]];
  const [init, ...initArgs] = run("initdb", ["-D", data, "-A", "trust", "-U", "postgres", "--no-sync"]);
  await runProgram(init, initArgs, { ...process.env, LC_ALL: "C.UTF-8" }, data);
  const port = await freePort();
  const options = ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", data];
  const [server, ...serverArgs] = run("postgres", options);
  // SIGINT ends it without waiting for those who are connected.
  const started = await startProgram(server, serverArgs, {
    port,
    cwd: data,
    log: join(dir, "postgres.log"),
    signal: "SIGINT",
  });
  for (let waited = 0; ; waited += 50) {
    const problem = await runProgram(join(bin, "pg_isready"), [
      "-h",
      "127.0.0.1",
      "-p",
      String(port),
      "-U",
      "postgres",
    ]).catch((e) => e);
    if (!(problem instanceof Error)) return { port, ...started };
    if (waited > READY_WITHIN) throw problem;
    await sleep(50);
  }
}

function findPostgres(): string {
  const isIn = (dir: string) => ["postgres", "initdb", "pg_isready"].every((name) => listOf(dir).includes(name));
  const versions = listOf(DEBIAN).sort((a, b) => Number(b) - Number(a));
  const folders = [...(process.env.PATH ?? "").split(delimiter), ...versions.map((name) => join(DEBIAN, name, "bin"))];
  const found = folders.find(isIn);
  if (found === undefined) throw new Error("PostgreSQL is missing: apt-get install postgresql");
  return found;
}

function listOf(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** PostgreSQL refuses root: then its folder is another user's, who may pass through those above. The start of a command line. */
async function findUser(data: string): Promise<string[]> {
  if (process.getuid?.() !== 0) return [];
  for (const name of ["postgres", "nobody"]) {
    const ids = await Promise.all(["-u", "-g"].map((which) => runProgram("id", [which, name]))).catch(() => null);
    if (ids === null) continue;
    const [user, group] = ids.map(Number) as [number, number];
    chownSync(data, user, group);
    for (const above of [dirname(data), dirname(dirname(data))]) chmodSync(above, 0o711);
    return ["setpriv", `--reuid=${user}`, `--regid=${group}`, "--clear-groups"];
  }
  throw new Error("PostgreSQL refuses root, and there is no user postgres or nobody");
}
