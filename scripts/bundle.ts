import process from "node:process";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "esbuild";

/**
 * The program as one CommonJS file. Its SQLite addon is no JavaScript, and stays outside. Whitespace is kept: Node prints the
 * whole line of an error that nobody caught.
 */
export async function bundleProgram(outfile: string, options: { banner?: string } = {}): Promise<void> {
  await build({
    entryPoints: ["src/main.ts"],
    bundle: true,
    platform: "node",
    format: "cjs",
    external: ["better-sqlite3"],
    plugins: [packAway("@aws-sdk/client-s3", "@aws-sdk/s3-request-presigner")],
    outfile,
    logLevel: "silent",
    ...(options.banner && { banner: { js: options.banner } }),
  });
}

/**
 * Packages that few need, as one compressed text that is unpacked when the first of them is asked for. As plain code they
 * would be read at every start: Amazon's client is 1.4 MB, which costs each command 20 ms. They share one text because they
 * share their parts; only Node's own modules are required from within.
 */
function packAway(...names: string[]): Plugin {
  return {
    name: "pack-away",
    setup({ onResolve, onLoad }) {
      const filter = new RegExp(`^(${names.join("|")})$`);
      onResolve({ filter }, ({ path, pluginData }) =>
        pluginData === "inside" ? undefined : { path, namespace: "packed" },
      );
      onLoad({ filter: /./, namespace: "packed" }, ({ path }) => ({
        contents: `module.exports = require("all of it")[${names.indexOf(path)}];`,
        resolveDir: process.cwd(),
      }));
      onResolve({ filter: /^all of it$/ }, ({ path }) => ({ path, namespace: "unpacking" }));
      onLoad({ filter: /./, namespace: "unpacking" }, async () => {
        const { outputFiles } = await build({
          stdin: {
            contents: `module.exports = [${names.map((name) => `require(${JSON.stringify(name)})`).join(", ")}];`,
            resolveDir: process.cwd(),
          },
          bundle: true,
          platform: "node",
          format: "cjs",
          supported: { "dynamic-import": false },
          minifyIdentifiers: true,
          minifySyntax: true,
          keepNames: true,
          write: false,
          logLevel: "silent",
        });
        const packed = gzipSync(outputFiles[0]!.contents, { level: 9 }).toString("base64");
        return {
          contents: `
            const text = require("node:zlib").gunzipSync(Buffer.from("${packed}", "base64")).toString();
            new Function("module", "exports", "require", text)(module, exports, require);
          `,
          resolveDir: process.cwd(),
        };
      });
    },
  };
}
