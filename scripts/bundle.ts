import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { build, type Plugin, transform } from "esbuild";
import { sqliteVersion } from "../src/store/sqlite/files/driver.ts";
import { findTarget } from "./build/targets.ts";
import { ROOT } from "./root.ts";

/** What the program asks for to get the addon's bytes. */
const ADDON = "packed:addon";

/** What the program asks for to get the text of a thread's program. */
const THREAD = "packed:thread";

/** The programs of threads, by the names that src/platform/thread.ts is given. */
const THREADS = { store: "src/store/thread/server.ts" };

/** `commit` is the checkout's unless told; `banner` is code that runs before all else. */
export type BundleOptions = { target: string; commit?: string; banner?: string };

/**
 * The program as one CommonJS file, with SQLite's addon for one target in it. It needs nothing beside it but a Node, names no
 * folder of this machine, and is the same to the byte for the same sources.
 *
 * What the sources import only when it is needed is a part of its own here too, which is unpacked when it is first asked for:
 * as plain code all four megabytes would be read at every start, 15 ms each. Whitespace is kept, and what is packed is broken
 * into lines, because Node prints the whole line of an error that nobody caught.
 */
export async function bundleProgram(outfile: string, options: BundleOptions): Promise<void> {
  const addon = await readFile(
    join(ROOT, "node_modules/better-sqlite3/prebuilds", `${findTarget(options.target).addon}.node`),
  );
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { entry: "src/cli/entry.ts", ...THREADS },
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    external: [ADDON, THREAD],
    plugins: [fillIn(addon, options.commit ?? commitOf())],
    // A linked node_modules is named as if it were none.
    preserveSymlinks: true,
    outdir: "parts",
    metafile: true,
    write: false,
    logLevel: "silent",
  });
  /** The parts that a part needs, with what it needs them for; `kinds`: of imports. */
  function closure(entry: string, kinds: string[]): Set<string> {
    const names = new Set([entry]); // It grows while it is walked through.
    for (const name of names) {
      for (const { path, kind, external } of metafile.outputs[`parts/${name}`]!.imports) {
        if (kinds.includes(kind) && !external) names.add(basename(path));
      }
    }
    return names;
  }
  const first = closure("entry.js", ["import-statement"]); // What every start needs.
  const threads = Object.keys(THREADS).map((name) => {
    const parts = [...closure(`${name}.js`, ["import-statement", "dynamic-import"])].sort();
    return [name, [...parts.map((part) => `./${part}`), ADDON]];
  });

  const parts = await Promise.all(
    outputFiles.map(async ({ path, contents }) => {
      const name = basename(path);
      const { entryPoint } = metafile.outputs[`parts/${name}`]!;
      const isCommon = entryPoint !== undefined && metafile.inputs[entryPoint]?.format === "cjs";
      const { code: plain } = await transform(contents, {
        format: "cjs",
        platform: "node",
        // In a packed program only Node's own modules are left to import, and they can be required.
        supported: { "dynamic-import": false },
      });
      const code = isCommon ? plain + NAMED : plain;
      const text = first.has(name)
        ? `(module, exports, require) {\n${code}}`
        : pack(Buffer.from(`${code}//# sourceURL=wochit-relay/${name}\n`));
      return `"./${name}"${text},\n`;
    }),
  );
  parts.push(`"${ADDON}"${pack(addon)},\n`);
  await mkdir(dirname(outfile), { recursive: true });
  await writeFile(
    outfile,
    `${options.banner ?? ""}"use strict";\nconst parts = {\n${parts.sort().join("")}};\nconst threads = ${JSON.stringify(Object.fromEntries(threads), null, 1)};\n${START}`,
  );
}

/**
 * What is packed stands in a comment, base64: V8 is past that in a sixth of the time that a string takes. A function's text
 * is to be had as it was written (tc39.es/ecma262/#sec-function.prototype.tostring).
 */
function pack(bytes: Uint8Array): string {
  const packed = zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 9 } }).toString("base64");
  return `() {/*\n${packed.replace(/.{1,120}/g, "$&\n")}*/}`;
}

/** Of a CommonJS package esbuild has only the default export in such a part; import() gives its members by name as well. */
const NAMED = `for (const name of Object.keys(module.exports.default)) {
  if (name in module.exports) continue;
  Object.defineProperty(module.exports, name, { enumerable: true, get: () => module.exports.default[name] });
}
`;

/**
 * A part is run once, like any module; a packed one first becomes a function. Other names are Node's own modules. A thread's
 * program is the parts that it needs and this same text, begun at its own entry.
 */
const START = `function start(parts, threads, entry, require) {
  const modules = {};
  function need(name) {
    if (name === "${THREAD}") return threadProgram;
    if (!Object.hasOwn(parts, name)) return require(name);
    if (name === "${ADDON}") return unpack(name);
    if (Object.hasOwn(modules, name)) return modules[name].exports;
    const module = (modules[name] = { exports: {} });
    const part = parts[name];
    const run = part.length > 0 ? part : new Function("module", "exports", "require", unpack(name).toString());
    run(module, module.exports, need);
    return module.exports;
  }
  function unpack(name) {
    const text = parts[name].toString();
    const packed = text.slice(text.indexOf("/*") + 2, text.lastIndexOf("*/"));
    return require("node:zlib").zstdDecompressSync(Buffer.from(packed, "base64"));
  }
  function threadProgram(name) {
    const own = threads[name].map((part) => parts[part].toString()).join(",\\n");
    return '"use strict";\\nconst parts = {\\n' + own + "};\\n" + start + 'start(parts, {}, "./' + name + '.js", require);\\n';
  }
  need(entry);
}
try {
  start(parts, threads, "./entry.js", require);
} catch (error) {
  process.stderr.write("wochit-relay: " + String(error?.message ?? error).split("\\n", 1)[0] + "\\n");
  process.exitCode = 1;
}
`;

/** The files of the dashboard that are no programs of the bundle, by their names. */
function assetsIn(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(css|js|svg)$/.test(name),
  );
  return Object.fromEntries(
    names.sort().map((name) => [name.replaceAll("\\", "/"), readFileSync(join(folder, name), "utf8")]),
  );
}

/** Fills src/platform/packed.ts with what this build is of, and the module of the dashboard's files with what they hold. */
function fillIn(addon: Uint8Array, commit: string): Plugin {
  return {
    name: "fill-in",
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]src[\\/]dashboard[\\/]assets[\\/]files\.ts$/ }, ({ path }) => ({
        contents: `const files = ${JSON.stringify(assetsIn(dirname(path)))}; export const readAsset = (name) => files[name];`,
      }));
      onLoad({ filter: /[\\/]src[\\/]platform[\\/]packed\.ts$/ }, () => ({
        contents: `
          export const packed = {
            commit: ${JSON.stringify(commit)},
            lockfile: "${sha256(readFileSync(join(ROOT, "package-lock.json")))}",
            sqlite: ${JSON.stringify(sqliteVersion())},
            addon: {
              sha256: "${sha256(addon)}",
              unpack: () => require("${ADDON}"),
            },
            thread: (name) => require("${THREAD}")(name),
          };
        `,
      }));
    },
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The commit of the checkout; "unknown" where there is none. Whole: how git abbreviates depends on what else a clone has. */
function commitOf(): string {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", ROOT, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const isChanged = git("status", "--porcelain", "--untracked-files=no") !== "";
    return `${git("rev-parse", "HEAD")}${isChanged ? "-dirty" : ""}`;
  } catch {
    return "unknown";
  }
}
