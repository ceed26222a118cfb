import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** What the program needs of a system, and what people expect of one: time zones, names of protocols. */
const PACKAGES = ["base-files", "ca-certificates", "libc6", "libgcc-s1", "libstdc++6", "netbase", "tzdata"];

/** Debian's names of processors. */
const ARCHITECTURES: Record<string, string | undefined> = { x64: "amd64", arm64: "arm64" };

/** What `--base` says of it. */
export const DEBIAN = "debian";

/**
 * Makes the archive of a base image for this machine's processor, of Debian's packages as apt has them here, for where no registry
 * can be reached: the same packages give the same bytes. Throws where this is no Debian. `epoch`: of every file in it, seconds.
 */
export function makeDebianBase(to: string, epoch: number): void {
  const work = mkdtempSync(join(tmpdir(), "wochit-relay-base-"));
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: work, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  try {
    // As the user that calls it: apt would leave out its own, which may not write here.
    run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", ...PACKAGES);
    const root = join(work, "root");
    mkdirSync(root, { mode: 0o755 });
    for (const name of globSync("*.deb", { cwd: work }).sort()) run("dpkg-deb", "-x", name, root);
    // What ca-certificates does when it is installed.
    const certificates = globSync("usr/share/ca-certificates/**/*.crt", { cwd: root }).sort();
    mkdirSync(join(root, "etc/ssl/certs"), { recursive: true });
    const bundle = certificates.map((path) => readFileSync(join(root, path), "utf8")).join("");
    writeFileSync(join(root, "etc/ssl/certs/ca-certificates.crt"), bundle, { mode: 0o644 });

    const made = join(work, "made");
    mkdirSync(made);
    const layer = join(made, "layer.tar");
    const sameAlways = [
      "--sort=name",
      `--mtime=@${epoch}`,
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--format=gnu",
    ];
    run("tar", ...sameAlways, "-C", root, "-cf", layer, ".");
    const content = readFileSync(layer);
    const config = JSON.stringify({
      architecture: ARCHITECTURES[process.arch] ?? process.arch,
      os: "linux",
      created: new Date(epoch * 1000).toISOString(),
      config: { Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${createHash("sha256").update(content).digest("hex")}`] },
    });
    const name = `${createHash("sha256").update(config).digest("hex")}.json`;
    const manifest = [{ Config: name, RepoTags: ["localhost/debian-base:latest"], Layers: ["layer.tar"] }];
    writeFileSync(join(made, "manifest.json"), JSON.stringify(manifest));
    writeFileSync(join(made, name), config);
    run("tar", ...sameAlways, "-C", made, "-cf", to, ".");
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
