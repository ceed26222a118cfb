import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import {
  ACCESS_KEY_ID,
  SECRET_ACCESS_KEY,
  startCeph,
  startGateway,
  stopCeph,
  stopGateway,
  whyNoCeph,
} from "../test/support/ceph.ts";
import { lastingPort } from "../test/support/serve-process.ts";

// node scripts/s3-server.ts start DIR [PORT]    a real S3 server on this machine (Ceph's gateway, in memory), with a bucket "media"
//                           stop DIR            ends it
//                           down DIR | up DIR   an outage: the gateway goes and comes back, with all that was stored
// For trying the relay against it, for CI and for benchmarks. TLS_PEM=FILE (certificate and key) adds https on the next
// port; S3_BYTES=N is how much it can hold (8 GiB unless told): beyond that, requests hang.

const BUCKET = "media";
const [verb, folder, port] = process.argv.slice(2);
if (folder === undefined || !["start", "stop", "down", "up"].includes(verb ?? "")) {
  console.error("usage: node scripts/s3-server.ts start DIR [PORT] | stop DIR | down DIR | up DIR");
  process.exit(2);
}
const dir = resolve(folder);
const portFile = join(dir, "port");

try {
  if (verb === "start") await start();
  else if (verb === "up") await startGateway(dir, Number(readFileSync(portFile, "utf8")), true);
  else if (verb === "down") stopGateway(dir);
  else stopCeph(dir);
} catch (error) {
  console.error(`s3-server: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

async function start(): Promise<void> {
  const why = whyNoCeph();
  if (why !== null) throw new Error(why);
  const gateway = port === undefined ? await lastingPort() : Number(port);
  const { TLS_PEM: pem, S3_BYTES: bytes } = process.env;
  const ports = { gateway, tls: gateway + 1, monitor: await lastingPort() };
  await startCeph({ dir, ports, pem, bytes: bytes === undefined ? undefined : Number(bytes), lasting: true });
  writeFileSync(portFile, String(gateway));
  const endpoint = `http://127.0.0.1:${gateway}`;
  const keys = { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY };
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials: keys });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  client.destroy();
  console.log(
    JSON.stringify({
      type: "s3",
      bucket: BUCKET,
      endpoint,
      accessKeyId: ACCESS_KEY_ID,
      secretAccessKey: SECRET_ACCESS_KEY,
    }),
  );
}
