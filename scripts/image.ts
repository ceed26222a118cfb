import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DEBIAN, makeDebianBase } from "./release/debian-base.ts";
import { makeTarball } from "./release/tarball.ts";
import { findVersions, type Versions } from "./release/versions.ts";
import { ROOT } from "./root.ts";

// npm run image -- [--base IMAGE] [--release FILE.tar.gz] [--arch amd64|arm64]
// The image of a release, from its tarball in dist/release, as an archive beside it that `docker load` and `podman load` take.
// It needs buildah and no daemon. IMAGE is a name, an archive of one ("oci-archive:FILE", "docker-archive:FILE"), or "debian": a
// base that is made here of Debian's packages.

/** Its newest version; with a digest after it, "@sha256:…", the same each time. */
const DISTROLESS = "gcr.io/distroless/cc-debian12";

/** The processors, by the names of images and of releases. */
const ARCHITECTURES = { amd64: "linux-x64", arm64: "linux-arm64" } as const;

export type Image = {
  /** The tarball of a release. */
  release: string;
  arch: keyof typeof ARCHITECTURES;
  /** A name, an archive, or "debian"; undefined: distroless. */
  base?: string | undefined;
  version: string;
  /** The commit. */
  revision: string;
  /** Of every file in it, and of the image; seconds. */
  epoch: number;
  /** The archive to make. */
  to: string;
};

/**
 * Makes an image and resolves with its id, the SHA-256 of its settings and layers: the same release and base give the same
 * archive. Rejects with one line.
 */
export async function makeImage(image: Image): Promise<string> {
  const { release, arch, base = DISTROLESS, version, revision, epoch, to } = image;
  const work = mkdtempSync(join(tmpdir(), "wochit-relay-image-"));
  // Folders that buildah makes have the rights that this leaves them.
  const mask = process.umask(0o022);
  // Images are kept in a folder of our own; nothing is run in them, so no isolation has to work.
  const buildah = (...args: string[]) =>
    run("buildah", ["--root", join(work, "root"), "--runroot", join(work, "run"), "--storage-driver", "vfs", ...args]);
  try {
    const context = join(work, "context");
    for (const folder of [context, join(context, "data")]) {
      mkdirSync(folder);
      chmodSync(folder, 0o755);
    }
    run("tar", ["-xpf", release, "-C", context, "--strip-components=1", "--no-same-owner"]);
    const made = join(work, "made");
    const archive = join(work, "base.tar");
    if (base === DEBIAN) makeDebianBase(archive, epoch);
    const from = base === DEBIAN ? `docker-archive:${archive}` : base;
    const pulled = buildah("pull", "--quiet", "--arch", arch, from).trim();
    const ask = (what: string) => buildah("inspect", "--type", "image", "--format", `{{.${what}}}`, pulled).trim();
    const processor = ask("OCIv1.Architecture");
    if (processor !== arch) throw new Error(`the base ${base} is for ${processor}, and not for ${arch}`);
    const origin = {
      BASE_NAME: base.replace(/@.*|^\S+-archive:\S+/, "") || "archive",
      BASE_DIGEST: ask("FromImageDigest"),
    };
    const given = { VERSION: version, REVISION: revision, BASE: pulled, ...origin };
    const name = `localhost/wochit-relay:${version.replace("+", "-")}`;
    const id = buildah(
      "build",
      ...["--quiet", "--isolation", "chroot", "--no-cache", "--arch", arch, "--timestamp", String(epoch)],
      // Podman's own format has no HEALTHCHECK.
      ...["--format", "docker", "--file", join(ROOT, "Containerfile"), "--tag", name],
      ...Object.entries(given).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]),
      context,
    ).trim();
    buildah("push", "--quiet", id, `docker-archive:${made}.tar:${name}`);
    mkdirSync(made);
    run("tar", ["-xf", `${made}.tar`, "-C", made]);
    const whole = await withoutChance(made, name, epoch);
    writeFileSync(to, whole.archive);
    return whole.sha256;
  } finally {
    process.umask(mask);
    rmSync(work, { recursive: true, force: true });
  }
}

/** Makes the image of a release's tarball for a target ("linux-x64") in a folder, and resolves with its path. */
export async function imageOf(
  release: string,
  of: { target: string; folder: string; versions: Pick<Versions, "version" | "epoch">; base: string | undefined },
): Promise<string> {
  const { target, folder, base } = of;
  const { version, epoch } = of.versions;
  const [arch] = Object.entries(ARCHITECTURES).find(([, name]) => name === target)!;
  const revision = run("git", ["-C", ROOT, "rev-parse", "HEAD"]).trim();
  const to = join(folder, `wochit-relay-${version}-${arch}.image.tar.gz`);
  await makeImage({ release, arch: arch as Image["arch"], base, version, revision, epoch, to });
  return to;
}

/**
 * The unpacked archive of an image as the same bytes for the same image: buildah leaves the random name of the container that it
 * built in. (github.com/moby/docker-image-spec)
 */
async function withoutChance(
  folder: string,
  name: string,
  epoch: number,
): Promise<{ archive: Buffer; sha256: string }> {
  const [{ Config, Layers }] = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  const { container, container_config, ...image } = JSON.parse(readFileSync(join(folder, Config), "utf8"));
  const { Hostname, ...config } = image.config;
  const text = JSON.stringify({ ...image, config });
  const sha256 = createHash("sha256").update(text).digest("hex");
  const manifest = [{ Config: `${sha256}.json`, RepoTags: [name], Layers }];
  const layers = (Layers as string[]).map((path) => ({ path, content: readFileSync(join(folder, path)) }));
  const entries = [
    { path: "manifest.json", content: JSON.stringify(manifest) },
    { path: `${sha256}.json`, content: text },
    ...layers,
  ];
  return { archive: await makeTarball(entries, epoch), sha256 };
}

function run(program: string, args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: string };
    if (code === "ENOENT") throw new Error(`${program} is missing: apt install ${program}`);
    throw new Error(`${program} failed: ${stderr?.trim().split("\n").at(-1) ?? "it does not say why"}`);
  }
}

async function main(): Promise<void> {
  try {
    const { values } = parseArgs({
      options: { base: { type: "string" }, release: { type: "string" }, arch: { type: "string", default: "amd64" } },
    });
    const { arch, base } = values;
    const target = new Map(Object.entries(ARCHITECTURES)).get(arch);
    if (target === undefined) throw new Error(`--arch is one of ${Object.keys(ARCHITECTURES).join(", ")}`);
    const versions = findVersions();
    const folder = join(ROOT, "dist/release");
    const release = values.release ?? join(folder, `wochit-relay-${versions.version}-${target}.tar.gz`);
    if (!existsSync(release)) throw new Error(`there is no ${release}: "npm run release" makes it`);
    mkdirSync(folder, { recursive: true });
    console.log(await imageOf(release, { target, folder, versions, base }));
  } catch (error) {
    console.error(`image: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
