import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, type TestContext } from "node:test";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3Target } from "../../src/targets/s3/options.ts";
import {
  ACCESS_KEY_ID,
  type CephOptions,
  gatewayPid,
  SECRET_ACCESS_KEY,
  startCeph,
  startGateway,
  stopCeph,
  stopGateway,
  whyNoCeph,
} from "./ceph.ts";
import { lastingPort } from "./serve-process.ts";

export type S3Server = {
  /** The servers' folder; their config is `ceph.conf` in it. */
  dir: string;
  /** `http://127.0.0.1:<port>`; `tlsEndpoint` only where a certificate was given. */
  endpoint: string;
  tlsEndpoint: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** For tests that look into the buckets by themselves. */
  client: S3Client;
  /** Makes a new bucket and tells its name. */
  makeBucket(): Promise<string>;
  /** The config of a target in a new bucket, with these members changed. */
  makeTarget(members?: Partial<S3Target>): Promise<S3Target>;
  /** An outage: the gateway is gone, and its port refuses. */
  stopGateway(): void;
  startGateway(): Promise<void>;
  /** An outage of the other kind: it takes connections and never answers. `false`: it goes on. */
  hang(hangs: boolean): void;
  stop(): void;
};

/** Why there is no S3 server on this machine, for `skip`; false: there is one. */
export const noS3: string | false = whyNoCeph() ?? false;

/**
 * Starts an S3 server of the test's own (Ceph's gateway) on free ports, and stops it when the test ends; also by itself
 * when the process dies. `startS3Server(null)`: whoever calls stops it.
 */
export async function startS3Server(
  t: Pick<TestContext, "after"> | null,
  options: Pick<CephOptions, "pem" | "bytes"> = {},
): Promise<S3Server> {
  const dir = mkdtempSync(join(tmpdir(), "relay-s3-"));
  const credentials = { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY };
  let ports = await pickPorts();
  for (let tries = 1; ; tries++) {
    try {
      await startCeph({ dir, ports, ...options });
      break;
    } catch (error) {
      // Another test may have taken a port between looking and starting.
      if (tries === 3) throw error;
      ports = await pickPorts();
    }
  }
  const endpoint = `http://127.0.0.1:${ports.gateway}`;
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
  let buckets = 0;
  const server: S3Server = {
    dir,
    endpoint,
    tlsEndpoint: `https://127.0.0.1:${ports.tls}`,
    ...credentials,
    client,
    async makeBucket() {
      const bucket = `bucket-${++buckets}`;
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
      return bucket;
    },
    async makeTarget(members = {}) {
      return s3Target({ endpoint, bucket: await server.makeBucket(), ...members });
    },
    stopGateway: () => stopGateway(dir),
    startGateway: () => startGateway(dir, ports.gateway),
    hang(hangs) {
      const pid = gatewayPid(dir);
      process.kill(pid, hangs ? "SIGSTOP" : "SIGCONT");
      // The signal stops all threads only once one of them has taken it: until then the others go on.
      while (hangs && !isStopped(pid)) {}
    },
    stop() {
      client.destroy();
      stopCeph(dir);
      rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
  t?.after(() => server.stop());
  return server;
}

/** Whether all threads of a process are stopped (proc(5)), or it is gone. */
function isStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) =>
      /\) [TtZX] /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8")),
    );
  } catch {
    return !existsSync(`/proc/${pid}`);
  }
}

/**
 * The S3 server of a test file, started by the first test that asks for it. The tests run one after the other, and each
 * leaves it running and has buckets of its own.
 */
export function shareS3Server(): () => Promise<S3Server> {
  let server: Promise<S3Server> | null = null;
  after(async () => (await server)?.stop());
  return () => {
    server ??= startS3Server(null);
    return server;
  };
}

/** An S3 target as a config makes it, with these members changed. */
export function s3Target(members: Partial<S3Target> = {}): S3Target {
  return {
    type: "s3",
    bucket: "media",
    region: null,
    endpoint: "http://127.0.0.1:9",
    prefix: "",
    pathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY, sessionToken: null },
    ca: null,
    storageClass: null,
    serverSideEncryption: null,
    kmsKeyId: null,
    cacheControl: null,
    ...members,
  };
}

async function pickPorts(): Promise<CephOptions["ports"]> {
  return { gateway: await lastingPort(), tls: await lastingPort(), monitor: await lastingPort() };
}
