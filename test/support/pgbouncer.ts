import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { TestContext } from "node:test";
import { tempFolder } from "./folder.ts";
import type { TestDatabase } from "./postgres.ts";
import { lastingPort } from "./serve-process.ts";
import { waitFor } from "./wait.ts";

const PROGRAM = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].find((path) => existsSync(path));

/** Why there is none on this machine, for `skip`; false: there is one. */
export const noPgBouncer: string | false =
  PROGRAM !== undefined ? false : "no PgBouncer found (Debian: apt-get install --no-install-recommends pgbouncer)";

/** Starts PgBouncer in session mode in front of a database, and gives that one's address through it. */
export async function startPgBouncer(t: TestContext, { server, name }: TestDatabase): Promise<string> {
  const dir = tempFolder(t);
  const port = await lastingPort();
  const file = join(dir, "pgbouncer.ini");
  const log = join(dir, "log");
  writeFileSync(log, "");
  for (const path of [dir, log]) chmodSync(path, 0o777);
  writeFileSync(join(dir, "users"), '"postgres" ""\n');
  writeFileSync(
    file,
    `[databases]
${name} = host=127.0.0.1 port=${server.port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${join(dir, "users")}
pool_mode = session
default_pool_size = 40
logfile = ${log}
`,
  );
  // It refuses to run as root. The kernel ends it with this process.
  const asUser = userInfo().uid === 0 ? ["--reuid=postgres", "--regid=postgres", "--init-groups"] : [];
  const command = [...asUser, "--pdeathsig", "KILL", PROGRAM!, "-q", file];
  const child = spawn("setpriv", command, { stdio: "ignore", env: { PATH: process.env.PATH } });
  const ended = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await waitFor(() => readFileSync(log, "utf8").includes("process up"));
  return `postgres://postgres@127.0.0.1:${port}/${name}`;
}
