import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { type DebianParts, makeDebianPackage } from "../../scripts/release/debian.ts";
import { assertKnownLibraries } from "../../scripts/release/libraries.ts";
import { runTool } from "../../scripts/release/run-tool.ts";
import { tempFolder } from "../support/folder.ts";
import { CONTAINERS, documents, STAND_IN, VERSIONS, whyNoDebianTools } from "./release-parts.ts";

const skip = whyNoDebianTools();

const parts: DebianParts = {
  architecture: "amd64",
  versions: VERSIONS,
  binary: STAND_IN,
  manPages: { "wochit-relay.1": ".TH WOCHIT 1\n", "wochit-relay-events.1": ".TH WOCHIT 1\n" },
  thirdParty: "theirs\n",
  units: { "wochit-relay.service": "[Service]\n", "wochit-relay.socket": "[Socket]\n" },
};

const dpkg = (...args: string[]) =>
  execFileSync("dpkg-deb", args, { encoding: "utf8", env: { ...process.env, TZ: "UTC" } });

test("the Debian package holds each file where it belongs, root's, with its mode", { skip }, async (t) => {
  const path = await makeDebianPackage(parts, tempFolder(t));
  const rows = dpkg("--contents", path)
    .trim()
    .split("\n")
    .map((line) => line.split(/\s+/));
  const stamps = new Set(rows.map(([, owner, , day, time]) => `${owner} ${day} ${time}`));
  assert.deepEqual([...stamps], ["root/root 2026-01-31 08:00"]);
  const files = Object.fromEntries(rows.map(([mode, , , , , name]) => [name!, mode!]));
  const doc = "./usr/share/doc/wochit-relay";
  assert.deepEqual(files, {
    ...Object.fromEntries(
      [
        "./",
        "./etc/",
        "./etc/wochit-relay/",
        "./usr/",
        "./usr/bin/",
        "./usr/lib/",
        "./usr/lib/systemd/",
        "./usr/lib/systemd/system/",
        "./usr/share/",
        "./usr/share/bash-completion/",
        "./usr/share/bash-completion/completions/",
        "./usr/share/doc/",
        `${doc}/`,
        `${doc}/docs/`,
        `${doc}/docs/containers/`,
        `${doc}/examples/`,
        "./usr/share/fish/",
        "./usr/share/fish/vendor_completions.d/",
        "./usr/share/lintian/",
        "./usr/share/lintian/overrides/",
        "./usr/share/man/",
        "./usr/share/man/man1/",
        "./usr/share/zsh/",
        "./usr/share/zsh/vendor-completions/",
      ].map((name) => [name, "drwxr-xr-x"]),
    ),
    "./etc/wochit-relay/config.json": "-rw-r-----",
    "./etc/wochit-relay/credentials/": "drwx------",
    "./usr/bin/wochit-relay": "-rwxr-xr-x",
    "./usr/lib/systemd/system/wochit-relay.service": "-rw-r--r--",
    "./usr/lib/systemd/system/wochit-relay.socket": "-rw-r--r--",
    ...Object.fromEntries(CONTAINERS.map((path) => [`${doc}/${path}`, "-rw-r--r--"])),
    ...Object.fromEntries(
      documents()
        .filter((path) => path !== "CHANGELOG.md")
        .map((path) => [`${doc}/${path}.gz`, "-rw-r--r--"]),
    ),
    [`${doc}/THIRD-PARTY-LICENSES.gz`]: "-rw-r--r--",
    [`${doc}/changelog.Debian.gz`]: "-rw-r--r--",
    [`${doc}/changelog.gz`]: "-rw-r--r--",
    [`${doc}/copyright`]: "-rw-r--r--",
    [`${doc}/examples/config.json`]: "-rw-r--r--",
    [`${doc}/examples/alerts.yaml`]: "-rw-r--r--",
    [`${doc}/examples/grafana.json`]: "-rw-r--r--",
    "./usr/share/bash-completion/completions/wochit-relay": "-rw-r--r--",
    "./usr/share/fish/vendor_completions.d/wochit-relay.fish": "-rw-r--r--",
    "./usr/share/zsh/vendor-completions/_wochit-relay": "-rw-r--r--",
    "./usr/share/lintian/overrides/wochit-relay": "-rw-r--r--",
    "./usr/share/man/man1/wochit-relay.1.gz": "-rw-r--r--",
    "./usr/share/man/man1/wochit-relay-events.1.gz": "-rw-r--r--",
  });
});

test("dpkg knows its version, what it needs, its conffile and the sums of the rest", { skip }, async (t) => {
  const folder = tempFolder(t);
  const path = await makeDebianPackage({ ...parts, architecture: "arm64" }, folder);
  assert.equal(path, join(folder, "wochit-relay_7.8.9-1_arm64.deb"));
  const field = (name: string) => dpkg("--field", path, name).trim();
  assert.equal(field("Package"), "wochit-relay");
  assert.equal(field("Version"), "7.8.9-1");
  assert.equal(field("Architecture"), "arm64");
  assert.equal(field("Maintainer"), VERSIONS.maintainer);
  assert.match(field("Depends"), /^adduser, libc6 \(>= 2\.34\), /);
  assert.match(field("Installed-Size"), /^[1-9]\d*$/);
  dpkg("--raw-extract", path, join(folder, "raw"));
  const raw = (name: string) => readFileSync(join(folder, "raw", name), "utf8");
  assert.equal(raw("DEBIAN/conffiles"), "/etc/wochit-relay/config.json\n");
  execFileSync("md5sum", ["--check", "--strict", "DEBIAN/md5sums"], { cwd: join(folder, "raw"), stdio: "pipe" });
  assert.doesNotMatch(raw("DEBIAN/md5sums"), /config\.json$.*etc/m);
  for (const name of ["postinst", "prerm", "postrm"]) {
    execFileSync("sh", ["-n", join(folder, "raw/DEBIAN", name)]);
  }
  const changelog = gunzipSync(readFileSync(join(folder, "raw/usr/share/doc/wochit-relay/changelog.Debian.gz")));
  assert.match(changelog.toString(), /^wochit-relay \(7\.8\.9-1\) stable; .*\n\n {2}\* Version 7\.8\.9: see/);
  const copyright = raw("usr/share/doc/wochit-relay/copyright");
  assert.match(copyright, /^License: Expat\n Permission is hereby granted/m);
  assert.match(copyright, /^ \.\n THE SOFTWARE IS PROVIDED/m);
});

test("the package is the same bytes whenever and under whatever umask it is made", { skip }, async (t) => {
  const once = await makeDebianPackage(parts, tempFolder(t));
  const umask = process.umask(0o027);
  t.after(() => process.umask(umask));
  const again = await makeDebianPackage(parts, tempFolder(t));
  assert.deepEqual(readFileSync(again), readFileSync(once));
});

test("a program that needs a library which no dependency brings is not packaged", { skip }, async () => {
  await assertKnownLibraries(STAND_IN);
  await assert.rejects(
    assertKnownLibraries("/bin/bash"),
    /^Error: \/bin\/bash needs libtinfo\.so\.\d: add its package/,
  );
});

test("a missing tool is one line that says which package has it", async () => {
  const nowhere = { PATH: "/nonexistent" };
  await assert.rejects(runTool("dpkg-deb", ["--version"], nowhere), {
    message: "dpkg-deb is missing: apt install dpkg",
  });
});

/** Runs postrm as dpkg does, in a folder instead of the system's root, for a relay that runs as this user. */
function purge(root: string): string {
  const script = readFileSync("scripts/release/debian/postrm", "utf8");
  const own = script.replace("user=wochit-relay", `user=${userInfo().username}`);
  assert.notEqual(own, script);
  const path = join(root, "postrm");
  writeFileSync(path, own);
  // Without a PATH to deb-systemd-helper, which would look at this machine.
  const env = { PATH: join(root, "bin"), DPKG_ROOT: root };
  return execFileSync("/bin/sh", [path, "purge"], { encoding: "utf8", env });
}

function rootWith(t: Parameters<typeof tempFolder>[0]): { root: string; data: string } {
  const root = tempFolder(t);
  mkdirSync(join(root, "bin"));
  for (const tool of ["stat", "rm", "find"]) symlinkSync(`/usr/bin/${tool}`, join(root, "bin", tool));
  const data = join(root, "var/lib/wochit-relay");
  mkdirSync(join(data, "media"), { recursive: true });
  writeFileSync(join(data, "relay.db"), "events");
  return { root, data };
}

test("a purge says that it removes the data, and does, but nothing that a link leads to", (t) => {
  const { root, data } = rootWith(t);
  const elsewhere = join(root, "elsewhere");
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, "video.mp4"), "a video");
  symlinkSync(elsewhere, join(data, "media/more"));
  assert.match(purge(root), new RegExp(`^wochit-relay: removing ${data}: `));
  assert.equal(existsSync(data), false);
  assert.equal(readFileSync(join(elsewhere, "video.mp4"), "utf8"), "a video");
  assert.equal(purge(root), "");
});

test("a purge removes a link in the data folder's place, and keeps the folder that it leads to", (t) => {
  const { root, data } = rootWith(t);
  renameSync(data, join(root, "disk"));
  symlinkSync(join(root, "disk"), data);
  assert.match(purge(root), /is a link: it is removed, what it leads to is kept$/m);
  assert.equal(existsSync(data), false);
  assert.equal(readFileSync(join(root, "disk/relay.db"), "utf8"), "events");
});

test("a purge keeps a folder that is somebody else's", (t) => {
  const { root, data } = rootWith(t);
  const script = readFileSync("scripts/release/debian/postrm", "utf8");
  writeFileSync(join(root, "postrm"), script);
  const env = { PATH: join(root, "bin"), DPKG_ROOT: root };
  const said = execFileSync("/bin/sh", [join(root, "postrm"), "purge"], { encoding: "utf8", env });
  assert.equal(said, `wochit-relay: ${data} belongs to ${userInfo().username}: it is kept\n`);
  assert.equal(readFileSync(join(data, "relay.db"), "utf8"), "events");
});

test("a purge removes the secrets in the package's folder, says so, and says what else it leaves", (t) => {
  const { root } = rootWith(t);
  const etc = join(root, "etc/wochit-relay");
  const unit = join(root, "etc/systemd/system/wochit-relay.service.d");
  mkdirSync(join(etc, "credentials/old"), { recursive: true });
  mkdirSync(unit, { recursive: true });
  mkdirSync(join(root, "etc/systemd/system/wochit-relay.socket.d"));
  for (const name of ["cms-secret", "old/cms-secret"]) writeFileSync(join(etc, "credentials", name), "whsec_…");
  for (const path of [join(etc, "config.json.before"), join(unit, "override.conf")]) writeFileSync(path, "");
  assert.deepEqual(purge(root).split("\n").slice(1), [
    `wochit-relay: removing ${etc}/credentials: the secrets in it`,
    `wochit-relay: ${etc} is kept: it holds what this package did not put there`,
    `wochit-relay: ${unit} is kept: it holds what this package did not put there`,
    "",
  ]);
  assert.deepEqual([existsSync(join(etc, "credentials")), existsSync(join(etc, "config.json.before"))], [false, true]);
});

test("a purge removes a link in the credentials' place, and keeps the folder that it leads to", (t) => {
  const { root } = rootWith(t);
  const vault = join(root, "vault");
  const link = join(root, "etc/wochit-relay/credentials");
  mkdirSync(vault);
  mkdirSync(join(root, "etc/wochit-relay"), { recursive: true });
  writeFileSync(join(vault, "cms-secret"), "whsec_…");
  symlinkSync(vault, link);
  assert.match(purge(root), /credentials is a link: it is removed, what it leads to is kept\n$/);
  assert.deepEqual([existsSync(link), existsSync(join(vault, "cms-secret"))], [false, true]);
});

test("a relay that cannot be stopped is told of, and does not keep the package from being removed", (t) => {
  const root = tempFolder(t);
  const script = readFileSync("scripts/release/debian/prerm", "utf8");
  const own = script.replace("/run/systemd/system", root);
  assert.notEqual(own, script);
  writeFileSync(join(root, "prerm"), own);
  const stop = join(root, "deb-systemd-invoke");
  const remove = (action: string) => {
    const env = { PATH: root };
    const { status, stdout, stderr } = spawnSync("/bin/sh", [join(root, "prerm"), action], { encoding: "utf8", env });
    return [status, stdout + stderr];
  };
  writeFileSync(stop, `#!/bin/sh\necho "$*" >>${root}/asked\nexit 1\n`);
  chmodSync(stop, 0o755);
  assert.deepEqual(remove("upgrade"), [0, ""]);
  assert.equal(existsSync(join(root, "asked")), false);
  assert.deepEqual(remove("remove"), [0, "wochit-relay: it could not be stopped: see systemctl status wochit-relay\n"]);
  assert.equal(readFileSync(join(root, "asked"), "utf8"), "stop wochit-relay.socket wochit-relay.service\n");
  writeFileSync(stop, "#!/bin/sh\nexit 0\n");
  assert.deepEqual(remove("remove"), [0, ""]);
});
