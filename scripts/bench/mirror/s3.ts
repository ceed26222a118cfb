import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ACCESS_KEY_ID, SECRET_ACCESS_KEY, startCeph, stopCeph, whyNoCeph } from "../../../test/support/ceph.ts";
import type { Conditions } from "../bench.ts";
import { freePort, isThere, runProgram } from "../processes.ts";
import type { Place } from "./place.ts";

const BUCKET = "bench";

/** What the gateway can hold, in bytes of memory: at most one side's copies, and as much again on its way out. */
const ROOM = 12 * 2 ** 30;

/** A bucket behind Ceph's gateway, in memory, against `rclone copyurl` with its defaults; several run side by side. */
export async function openGateway({ folder }: Pick<Conditions, "folder">): Promise<Place> {
  if (!(await isThere("rclone", "version"))) throw new Error("rclone is missing: apt-get install rclone");
  const why = whyNoCeph();
  if (why !== null) throw new Error(why);
  const dir = folder();
  const ports = { gateway: await freePort(), tls: await freePort(), monitor: await freePort() };
  await startCeph({ dir, ports, bytes: ROOM });

  const endpoint = `http://127.0.0.1:${ports.gateway}`;
  const config = join(dir, "rclone.conf");
  const keys = `access_key_id = ${ACCESS_KEY_ID}\nsecret_access_key = ${SECRET_ACCESS_KEY}`;
  writeFileSync(config, `[gateway]\ntype = s3\nprovider = Ceph\nendpoint = ${endpoint}\n${keys}\n`);
  // Debian's rclone takes no further certificates by this variable: it fails, also where there are none to check.
  const { AWS_CA_BUNDLE, ...env } = process.env;
  const rclone = (...args: string[]) => runProgram("rclone", ["--config", config, ...args], env);
  await rclone("mkdir", `gateway:${BUCKET}`);

  return {
    target: {
      type: "s3",
      bucket: BUCKET,
      region: "us-east-1",
      endpoint,
      pathStyle: true,
      accessKeyId: ACCESS_KEY_ID,
      secretAccessKey: SECRET_ACCESS_KEY,
    },
    async copyPlainly(urls) {
      await Promise.all(urls.map((url, at) => rclone("copyurl", url, `gateway:${BUCKET}/copy-${at}.mp4`)));
    },
    async sha256Of(key) {
      const printed = await rclone("hashsum", "sha256", "--download", `gateway:${BUCKET}/${key}`);
      return printed.split(" ", 1)[0]!;
    },
    async clear() {
      await rclone("delete", `gateway:${BUCKET}`);
      // The gateway would remove the bytes some seconds later, in somebody's measurement.
      await runProgram("radosgw-admin", ["-c", join(dir, "ceph.conf"), "gc", "process", "--include-all"]);
    },
    close: async () => stopCeph(dir),
  };
}
