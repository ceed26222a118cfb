import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { type Component, nameOf } from "../../scripts/release/bom.ts";
import { compiledIn, writeLicenses } from "../../scripts/release/licenses.ts";
import { makeRelease } from "../../scripts/release/make.ts";
import { writeManPages } from "../../scripts/release/man-page.ts";
import { makeTarball } from "../../scripts/release/tarball.ts";
import { findVersions } from "../../scripts/release/versions.ts";
import { commands } from "../../src/cli/commands/table.ts";
import { sha256Of } from "../support/bytes.ts";
import { tempFolder } from "../support/folder.ts";
import { callCli } from "../support/spawn.ts";
import { CONTAINERS, documents, STAND_IN, VERSIONS, whyNoDebianTools } from "./release-parts.ts";

const NATIVE = { node: { node: "24.21.0", openssl: "3.5.4", modules: "137" }, sqlite: "3.54.1" };
const skip = whyNoDebianTools();

/** What `tar` and `dpkg-deb --contents` print of an archive: "mode owner" by path. */
function contents(listing: string): Record<string, string> {
  const rows = listing
    .trim()
    .split("\n")
    .map((line) => line.split(/\s+/));
  return Object.fromEntries(rows.map(([mode, owner, , , , path]) => [path!, `${mode} ${owner}`]));
}

test("a release is the program, a tarball, a Debian package, an SBOM, and sums that are right", { skip }, async (t) => {
  const folder = join(tempFolder(t), "release");
  const binary = join(tempFolder(t), "wochit-relay.exe");
  writeFileSync(binary, "a program for Windows");
  const build = async (target: string) => (target === "win-x64" ? binary : STAND_IN);
  const said: string[] = [];
  const say = (path: string) => said.push(path);
  const image = async (tarball: string, target: string) => {
    const path = join(folder, "wochit-relay-7.8.9-amd64.image.tar.gz");
    writeFileSync(path, `the image of ${target}, of ${readFileSync(tarball).length} bytes`);
    return path;
  };
  await makeRelease({
    targets: ["linux-x64", "win-x64"],
    folder,
    versions: VERSIONS,
    native: NATIVE,
    build,
    image,
    say,
  });

  const names = [
    "SHA256SUMS",
    "wochit-relay-7.8.9-amd64.image.tar.gz",
    "wochit-relay-7.8.9-linux-x64",
    "wochit-relay-7.8.9-linux-x64.tar.gz",
    "wochit-relay-7.8.9-win-x64.exe",
    "wochit-relay-7.8.9-win-x64.tar.gz",
    "wochit-relay-7.8.9.cdx.json",
    "wochit-relay_7.8.9-1_amd64.deb",
  ];
  assert.deepEqual(readdirSync(folder).sort(), names);
  assert.deepEqual(said.map((path) => path.slice(folder.length + 1)).sort(), names);

  const sums = readFileSync(join(folder, "SHA256SUMS"), "utf8").trimEnd().split("\n");
  const hash = (name: string) => sha256Of(readFileSync(join(folder, name)));
  assert.deepEqual(
    sums,
    names.slice(1).map((name) => `${hash(name)}  ${name}`),
  );

  const top = "wochit-relay-7.8.9-linux-x64";
  const list = (name: string) =>
    contents(execFileSync("tar", ["-tvzf", join(folder, name), "--full-time"], { encoding: "utf8" }));
  const plain = "-rw-r--r-- root/root";
  assert.deepEqual(list(`${top}.tar.gz`), {
    [`${top}/`]: "drwxr-xr-x root/root",
    [`${top}/LICENSE`]: plain,
    [`${top}/THIRD-PARTY-LICENSES`]: plain,
    ...Object.fromEntries(documents().map((path) => [`${top}/${path}`, plain])),
    [`${top}/docs/`]: "drwxr-xr-x root/root",
    [`${top}/docs/containers/`]: "drwxr-xr-x root/root",
    ...Object.fromEntries(CONTAINERS.map((path) => [`${top}/${path}`, plain])),
    [`${top}/config.example.json`]: plain,
    [`${top}/alerts.yaml`]: plain,
    [`${top}/grafana.json`]: plain,
    [`${top}/wochit-relay`]: "-rwxr-xr-x root/root",
    [`${top}/man/`]: "drwxr-xr-x root/root",
    [`${top}/man/man1/`]: "drwxr-xr-x root/root",
    ...Object.fromEntries(
      ["", ...Object.keys(commands).map((name) => `-${name}`)].map((of) => [
        `${top}/man/man1/wochit-relay${of}.1`,
        plain,
      ]),
    ),
    [`${top}/wochit-relay.service`]: plain,
    [`${top}/wochit-relay.socket`]: plain,
  });
  const windows = Object.keys(list("wochit-relay-7.8.9-win-x64.tar.gz"));
  assert.ok(windows.includes("wochit-relay-7.8.9-win-x64/wochit-relay.exe"));
  assert.ok(!windows.some((path) => /service|socket/.test(path)));

  const sbom = JSON.parse(readFileSync(join(folder, "wochit-relay-7.8.9.cdx.json"), "utf8"));
  judgeSbom(sbom);
  const licenses = execFileSync("tar", ["-xzOf", join(folder, `${top}.tar.gz`), `${top}/THIRD-PARTY-LICENSES`], {
    encoding: "utf8",
  });
  judgeLicenses(licenses, sbom);
});

/** The licence of all that the bill of materials names goes along. */
function judgeLicenses(text: string, { components }: { components: Component[] }): void {
  const lines = new Set(text.split("\n").map((line) => line.replace(/ \([^)]*\)$/, "")));
  const names: Record<string, string> = { node: "Node.js 24.21.0, and what is built into it", sqlite: "SQLite 3.54.1" };
  const named = components.map((one) => names[one.name] ?? nameOf(one));
  assert.ok(named.length > 50);
  assert.deepEqual(
    named.filter((name) => !lines.has(name)),
    [],
  );
}

/** Nothing is in it that the lock file does not have at that version, and nothing that the program needs is missing. */
function judgeSbom(sbom: {
  specVersion: string;
  metadata: { timestamp: string; component: { name: string; version: string } };
  components: { group?: string; name: string; version: string; purl: string; components?: { name: string }[] }[];
}): void {
  assert.equal(sbom.specVersion, "1.6");
  assert.equal(sbom.metadata.timestamp, "2026-01-31T08:00:00.000Z");
  assert.equal(sbom.metadata.component.name, "wochit-relay");
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
  const locked = new Set<string>();
  for (const [path, { version, dev }] of Object.entries<{ version: string; dev?: boolean }>(lock.packages)) {
    if (!dev) locked.add(`${path.split("node_modules/").at(-1)}@${version}`);
  }
  const packages = sbom.components.filter(({ purl }) => purl.startsWith("pkg:npm/"));
  const found = packages.map(({ group, name, version }) => `${group ? `${group}/` : ""}${name}@${version}`);
  assert.deepEqual(
    found.filter((name) => !locked.has(name)),
    [],
  );
  const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.deepEqual(
    Object.entries(dependencies).filter(([name, version]) => !found.includes(`${name}@${version}`)),
    [],
  );
  // Dependencies of dependencies, also those that a development dependency needs as well; what is compiled in.
  for (const name of ["pump", "debug", "@smithy/core", "node-addon-api"]) {
    assert.ok(
      found.some((it) => it.startsWith(`${name}@`)),
      name,
    );
  }
  const others = sbom.components.filter(({ purl }) => !purl.startsWith("pkg:npm/"));
  assert.deepEqual(
    others.map(({ name, version, components = [] }) => [name, version, components.map(({ name }) => name)]),
    [
      ["node", "24.21.0", ["openssl"]],
      ["sqlite", "3.54.1", []],
    ],
  );
}

test("a tarball is the same bytes whatever order, folder, umask and day it is made in", async (t) => {
  const entries = [
    { path: "top/b", content: "b", executable: true },
    { path: "top/a/c", content: "c" },
  ];
  const once = await makeTarball(entries, 1_000_000_000);
  const umask = process.umask(0o077);
  t.after(() => process.umask(umask));
  const cwd = process.cwd();
  process.chdir(tempFolder(t));
  t.after(() => process.chdir(cwd));
  assert.deepEqual(await makeTarball(entries.reverse(), 1_000_000_000), once);
  assert.notDeepEqual(await makeTarball(entries, 1_000_000_001), once);
});

test("every third party's licence is told with its text, equal texts once", () => {
  const [api] = compiledIn("node-addon-api");
  const text = writeLicenses([api!, { ...api!, name: "twin" }], { version: "24", text: "Node's own" }, "3.54.1");
  assert.match(text, /^node-addon-api [\d.]+ \(MIT\)\ntwin [\d.]+ \(MIT\)\n\nThe MIT License/m);
  assert.match(text, /^SQLite 3\.54\.1$/m);
  assert.match(text, /^Node\.js 24, and what is built into it\n\nNode's own$/m);
});

test("a package without a licence text fails the release, unless its own repository has one of that licence", () => {
  const vcs = (url: string) => [{ type: "vcs", url }];
  const evidence = { licenses: [{ license: { name: "file: LICENSE", text: { content: "the text" } } }] };
  const licenses = [{ license: { id: "MIT" } }];
  const whole = {
    type: "library",
    name: "whole",
    licenses,
    externalReferences: vcs("git+https://a.example/r#x"),
    evidence,
  };
  const bare = { type: "library", name: "bare", version: "1.0.0", licenses };
  const node = { version: "24", text: "" };
  const write = (more: object) => writeLicenses([whole, { ...bare, ...more }], node, "3");
  assert.match(
    write({ externalReferences: vcs("git+https://a.example/r#y") }),
    /^bare 1\.0\.0 \(MIT\)\nwhole \(MIT\)\n\nthe text/m,
  );
  const wrong = [
    {},
    { externalReferences: vcs("git+https://b.example/r") },
    { externalReferences: vcs("git+https://a.example/r"), licenses: [{ license: { id: "ISC" } }] },
  ];
  for (const more of wrong) {
    assert.throws(() => write(more), { message: "no licence text is found for bare 1.0.0" });
  }
});

test("a release that lacks tools says which before it builds, and where they are found", () => {
  const runtime = process.versions.deno === undefined ? [] : ["run", "-A"];
  const args = [...runtime, "scripts/release.ts", "--unsigned", "--target", "linux-x64"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env: { PATH: "/nowhere" } });
  assert.deepEqual([status, stdout], [1, ""]);
  const missing = "dpkg-deb, lintian, readelf, buildah (apt install dpkg lintian binutils buildah)";
  assert.ok(stderr.startsWith(`release: missing: ${missing}\n`), stderr);
});

test("there is a man page of the program and one of each command, with every verb, option and example", async () => {
  const pages = await writeManPages(VERSIONS);
  const names = Object.keys(commands);
  assert.deepEqual(Object.keys(pages), ["wochit-relay.1", ...names.map((name) => `wochit-relay-${name}.1`)]);
  const plain = (page: string) =>
    page
      .replaceAll(/\\f[BIR]/g, "")
      .replaceAll("\\-", "-")
      .replaceAll("\\e", "\\");
  const all = plain(pages["wochit-relay.1"]!);
  assert.match(all, /^\.TH "WOCHIT-RELAY" 1 2026-01-31 "wochit-relay 7\.8\.9"/);
  for (const name of names) {
    assert.match(all, new RegExp(`^wochit-relay-${name}\\(1\\),$`, "m"));
    const page = plain(pages[`wochit-relay-${name}.1`]!);
    const { command } = await commands[name]!();
    for (const one of "verbs" in command ? Object.values(command.verbs) : [command]) {
      assert.match(page, new RegExp(`^\\.B wochit-relay ${one.name}( |$)`, "m"));
      for (const option of Object.keys(one.options)) assert.match(page, new RegExp(`--${option}\\b`), one.name);
      assert.ok("verbs" in command === page.includes(`.SS "${one.name}"`));
    }
  }
  const events = plain(pages["wochit-relay-events.1"]!);
  assert.match(events, /\nwochit-relay events list --since 2h\nWhat came in during the last two hours\.\n/);
  assert.match(events, /\n-e, --endpoint ENDPOINT\nOnly what goes to this endpoint/);
});

test("in the man pages nothing is taken for a request or an escape that is none, and they are ASCII", async () => {
  for (const [name, page] of Object.entries(await writeManPages(VERSIONS))) {
    const requests = page
      .split("\n")
      .filter((line) => /^[.']/.test(line))
      .map((line) => line.split(" ")[0]!);
    const ours = [
      ".B",
      ".BR",
      ".I",
      ".PP",
      ".RE",
      ".RS",
      ".SH",
      ".SS",
      ".TH",
      ".TP",
      ".ad",
      ".br",
      ".fi",
      ".nf",
      ".nh",
    ];
    assert.deepEqual(
      requests.filter((request) => !ours.includes(request)),
      [],
      name,
    );
    assert.doesNotMatch(page, /\\(?!f[BIR]|\((?:aq|ga|ha|ti|dq)|\[u[0-9A-F]{4,5}\]|[e&-])|[^\n -~]/, name);
  }
});

const noGroff = spawnSync("groff", ["--version"]).error !== undefined && "no groff here: apt install groff-base";

test("groff has no warning about the man pages, at 80 columns", { skip: noGroff }, async (t) => {
  const folder = tempFolder(t);
  const pages = Object.entries(await writeManPages(VERSIONS)).map(([name, page]) => {
    writeFileSync(join(folder, name), page);
    return join(folder, name);
  });
  for (const page of pages) {
    const { stdout, stderr } = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-rLL=80n", page], { encoding: "utf8" });
    assert.equal(stderr, "");
    const wide = stdout
      .replaceAll(/\x1b\[[\d;]*m|.\x08/g, "")
      .split("\n")
      .filter((line) => [...line].length > 80);
    assert.deepEqual(wide, [], page);
  }
});

test("the config of a fresh install is valid, lets only the provider in, and sends nothing anywhere", async () => {
  const path = "scripts/release/debian/config.json";
  const { code, stdout, stderr } = await callCli(["check", "--config", join(process.cwd(), path)]);
  assert.equal(code, 0, stdout + stderr);
  const config = JSON.parse(readFileSync(path, "utf8"));
  const { PROVIDER_ADDRESSES } = await import("../../src/config/schema.ts");
  assert.deepEqual(config.receive.allowFrom, PROVIDER_ADDRESSES);
  assert.equal(config.receive.mode, "enforce");
  assert.deepEqual(config.endpoints, []);
  assert.equal(config.dataDir, "/var/lib/wochit-relay");
});

test("the version says when the tree is not what the commit says, and its time is the commit's", (t) => {
  const folder = tempFolder(t);
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.com", ...args], {
      env: { ...process.env, GIT_COMMITTER_DATE: "2026-01-31T08:00:00Z" },
      stdio: ["ignore", "pipe", "pipe"],
    });
  assert.throws(() => findVersions({}, folder), /^Error: git cannot tell what is released/);
  git("init");
  writeFileSync(join(folder, "file"), "a");
  git("add", ".");
  git("commit", "-m", "a");
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  const { maintainer, ...clean } = findVersions({}, folder);
  assert.deepEqual(clean, { version, debian: `${version}-1`, epoch: Date.parse("2026-01-31T08:00:00Z") / 1000 });
  writeFileSync(join(folder, "file"), "b");
  const changed = findVersions({ SOURCE_DATE_EPOCH: "7", DEBFULLNAME: "A B", DEBEMAIL: "a@example.com" }, folder);
  assert.deepEqual(changed, {
    version: `${version}+dirty`,
    debian: `${version}~dirty-1`,
    epoch: 7,
    maintainer: "A B <a@example.com>",
  });
  assert.throws(() => findVersions({ SOURCE_DATE_EPOCH: "today" }, folder), /seconds since 1970/);
});
