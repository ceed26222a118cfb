import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { delimiter, join, resolve } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

/** The keys of the one user that the gateway knows. */
export const ACCESS_KEY_ID = "relaytestkey";
export const SECRET_ACCESS_KEY = "relaytestsecret-relaytestsecret";

export type CephOptions = {
  /** A folder for all it writes; emptied first. */
  dir: string;
  /** Of 127.0.0.1. `monitor` is for the servers among themselves. */
  ports: { gateway: number; tls: number; monitor: number };
  /** A PEM file with a certificate and its key: then it speaks https on `ports.tls` as well. */
  pem?: string;
  /** How much it can hold, in memory. A store that is full lets requests hang, as real ones do. */
  bytes?: number;
  /** The servers live on when this process ends; otherwise they die with it, however it ends. */
  lasting?: boolean;
};

type Server = "mon" | "osd" | "rgw";

/** Why no gateway can be started here; null: it can. */
export function whyNoCeph(): string | null {
  const needed = ["radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool", "setpriv"];
  const folders = (process.env.PATH ?? "").split(delimiter);
  const missing = needed.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  if (missing.length === 0) return null;
  return `${missing.join(", ")} not installed (Debian: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd)`;
}

/**
 * Starts a real S3 server: Ceph's RADOS Gateway over one OSD that keeps everything in memory. It checks signatures and
 * speaks multipart, as those that people run. Takes a second or two; needs no rights. Throws with what the servers wrote.
 */
export async function startCeph(options: CephOptions): Promise<void> {
  const dir = resolve(options.dir);
  rmSync(dir, { recursive: true, force: true });
  for (const name of ["mon", "osd", "run", "log"]) mkdirSync(join(dir, name), { recursive: true });
  const conf = confOf(dir);
  const ids = { cluster: randomUUID(), osd: randomUUID() };
  writeFileSync(conf, configure({ ...options, dir }, ids.cluster));
  writeFileSync(join(dir, "keyring"), "");
  const lasting = options.lasting ?? false;
  const map = join(dir, "monmap");
  const monitor = `[v2:127.0.0.1:${options.ports.monitor}/0]`;
  try {
    await run(dir, "monmaptool", ["--create", "--clobber", "--fsid", ids.cluster, "--addv", "a", monitor, map]);
    await run(dir, "ceph-mon", ["-c", conf, "-i", "a", "--mkfs", "--monmap", map]);
    launch(dir, "mon", lasting);
    await run(dir, "ceph", ["-c", conf, "osd", "new", ids.osd]);
    await run(dir, "ceph-osd", ["-c", conf, "-i", "0", "--mkfs", "--osd-uuid", ids.osd]);
    launch(dir, "osd", lasting);
    const user = ["user", "create", "--uid=relay", "--display-name=relay"];
    const keys = [`--access-key=${ACCESS_KEY_ID}`, `--secret-key=${SECRET_ACCESS_KEY}`];
    await run(dir, "radosgw-admin", ["-c", conf, ...user, ...keys]);
    await startGateway(dir, options.ports.gateway, lasting);
  } catch (error) {
    stopCeph(dir);
    throw error;
  }
}

/** Starts the gateway alone: again after an outage. Resolves when it answers. */
export async function startGateway(dir: string, port: number, lasting = false): Promise<void> {
  launch(dir, "rgw", lasting);
  for (let tries = 0; tries < 1_000; tries++) {
    if (await answers(port)) return;
    if (!isAlive(pidOf(dir, "rgw"))) break;
    await sleep(20);
  }
  throw new Error(`the gateway does not answer: ${tail(join(dir, "log", "rgw.out"))}`);
}

/** Kills the gateway alone: an outage. What was stored stays in the OSD. */
export function stopGateway(dir: string): void {
  kill(dir, "rgw");
}

/** Kills all of it. */
export function stopCeph(dir: string): void {
  for (const server of ["rgw", "osd", "mon"] as const) kill(dir, server);
}

/** The gateway's process, for tests that let it hang (SIGSTOP, SIGCONT). */
export function gatewayPid(dir: string): number {
  return pidOf(dir, "rgw") ?? 0;
}

const PROGRAMS: Record<Server, string[]> = {
  mon: ["ceph-mon", "-i", "a"],
  osd: ["ceph-osd", "-i", "0"],
  rgw: ["radosgw", "-n", "client.rgw.a"],
};

function launch(dir: string, server: Server, lasting: boolean): void {
  const out = openSync(join(dir, "log", `${server}.out`), "a");
  const command = [...PROGRAMS[server], "-c", confOf(dir), "-f"];
  // The kernel itself ends them with whoever started them: nothing is left behind by a test run that is killed.
  const [program, ...args] = lasting ? command : ["setpriv", "--pdeathsig", "KILL", ...command];
  const child = spawn(program!, args, { detached: lasting, stdio: ["ignore", out, out] });
  child.on("error", () => {}); // startCeph finds out
  child.unref();
  closeSync(out);
  writeFileSync(pidFile(dir, server), String(child.pid ?? 0));
}

function kill(dir: string, server: Server): void {
  const pid = pidOf(dir, server);
  if (pid === null) return;
  rmSync(pidFile(dir, server), { force: true });
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** One command to its end; throws with what it wrote. Not by spawnSync: tests in this process go on. */
async function run(dir: string, program: string, args: string[]): Promise<void> {
  const log = join(dir, "log", `${program}.out`);
  const out = openSync(log, "a");
  const child = spawn(program, args, { stdio: ["ignore", out, out] });
  const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  const code = await new Promise((done) => {
    child.once("error", done);
    child.once("close", done);
  });
  clearTimeout(timer);
  closeSync(out);
  if (code !== 0) throw new Error(`${program} failed (${code}): ${tail(log)}`);
}

function configure({ dir, ports, pem, bytes = 8 * 2 ** 30 }: CephOptions, cluster: string): string {
  const tls = pem === undefined ? "" : ` ssl_endpoint=127.0.0.1:${ports.tls} ssl_certificate=${resolve(pem)}`;
  const lines = {
    global: {
      fsid: cluster,
      mon_host: `[v2:127.0.0.1:${ports.monitor}/0]`,
      mon_initial_members: "a",
      public_network: "127.0.0.0/8",
      ms_bind_ipv6: false,
      auth_cluster_required: "none",
      auth_service_required: "none",
      auth_client_required: "none",
      ms_mon_client_mode: "crc",
      keyring: join(dir, "keyring"),
      run_dir: join(dir, "run"),
      admin_socket: join(dir, "run", "$name.asok"),
      crash_dir: join(dir, "log"),
      log_file: join(dir, "log", "$name.log"),
      mon_cluster_log_file: join(dir, "log", "cluster.log"),
      // One OSD is all there is: one copy of everything, in few pieces.
      osd_pool_default_size: 1,
      osd_pool_default_min_size: 1,
      mon_allow_pool_size_one: true,
      osd_crush_chooseleaf_type: 0,
      osd_pool_default_pg_num: 4,
      osd_pool_default_pgp_num: 4,
      osd_pool_default_pg_autoscale_mode: "off",
      mon_max_pg_per_osd: 1000,
      // What it decides, it decides at once; and it does not look at how full this machine's disk is.
      paxos_propose_interval: 0.05,
      paxos_min_wait: 0.01,
      mon_data_avail_crit: 1,
      mon_data_avail_warn: 1,
    },
    "mon.a": { host: "localhost", mon_data: join(dir, "mon") },
    osd: {
      osd_data: join(dir, "osd"),
      osd_objectstore: "memstore",
      memstore_device_bytes: bytes,
      // A gateway that is killed is missed no longer than this: new buckets wait for it.
      osd_client_watch_timeout: 2,
      osd_class_load_list: "*",
      osd_class_default_list: "*",
    },
    "client.rgw.a": {
      rgw_frontends: `beast endpoint=127.0.0.1:${ports.gateway}${tls}`,
      rgw_thread_pool_size: 64,
      rgw_dynamic_resharding: false,
      // What was deleted gives its room back at once.
      rgw_gc_obj_min_wait: 3,
      rgw_gc_processor_period: 3,
      rgw_gc_processor_max_time: 3,
    },
  };
  return Object.entries(lines)
    .map(
      ([part, values]) =>
        `[${part}]\n${Object.entries(values)
          .map((pair) => `${pair.join(" = ")}\n`)
          .join("")}`,
    )
    .join("");
}

function confOf(dir: string): string {
  return join(dir, "ceph.conf");
}

function pidFile(dir: string, server: Server): string {
  return join(dir, "run", `${server}.pid`);
}

function pidOf(dir: string, server: Server): number | null {
  try {
    return Number(readFileSync(pidFile(dir, server), "utf8")) || null;
  } catch {
    return null;
  }
}

function isAlive(pid: number | null): boolean {
  try {
    return pid !== null && process.kill(pid, 0);
  } catch {
    return false;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const asked = request({ port, host: "127.0.0.1", path: "/", agent: false, timeout: 1_000 }, (response) => {
      response.resume();
      done(true);
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => done(false));
    asked.end();
  });
}

function tail(file: string): string {
  try {
    return readFileSync(file, "utf8").trim().split("\n").slice(-5).join("\n");
  } catch {
    return "it wrote nothing";
  }
}
