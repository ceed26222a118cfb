import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { build } from "esbuild";
import { findDeno, readDenoRights } from "../../deno.ts";
import { benchConfig } from "../start-relay.ts";
import type { Version } from "../versions.ts";

/** A command and its arguments. */
export type Line = [command: string, ...args: string[]];

/** One way of starting the relay, and what is started the same way for comparison. */
export type Way = {
  name: string;
  /** The file whose size is told; null: there is none. */
  file: string | null;
  version: Line;
  /** What starts and ends at once. */
  nothing: Line;
  nothingIs: string;
  /** A relay with its config and its data in this folder. */
  serve(port: number, dir: string): Line;
  /** The bare server (bare-hono.ts). */
  bare(port: number): Line;
};

/** The ways that can be gone with a version here, and why another cannot. `dir`: for what has to be written first. */
export async function findWays(
  dir: string,
  { root }: Version,
): Promise<{ ways: Way[]; missing: Record<string, string> }> {
  const main = join(root, "src/main.ts");
  const bareServer = join(root, "scripts/bench/servers/bare-hono.ts");
  // Where `npm run build` leaves the program for this machine.
  const binary = join(root, "dist", process.platform === "win32" ? "wochit-relay.exe" : "wochit-relay");
  const ways: Way[] = [];
  const missing: Record<string, string> = {};
  const empty = join(dir, "empty.ts");
  writeFileSync(empty, "");
  const settings = (port: number) => JSON.stringify({ port });

  if (existsSync(binary)) {
    // What is bundled is held against what is bundled: nothing of either is read from TypeScript at the start.
    const bare = join(dir, "bare-hono.mjs");
    await build({
      entryPoints: [bareServer],
      bundle: true,
      platform: "node",
      format: "esm",
      outfile: bare,
      logLevel: "silent",
    });
    ways.push({
      name: "binary",
      file: binary,
      version: [binary, "--version"],
      nothing: [process.execPath, "-e", "0"],
      nothingIs: "node -e 0",
      serve: (port, data) => [binary, "serve", "--config", writeConfig(data, port)],
      bare: (port) => [process.execPath, bare, settings(port)],
    });
  } else missing.binary = "dist/wochit-relay is not there: npm run build makes it";

  ways.push({
    name: "Node",
    file: null,
    version: [process.execPath, main, "--version"],
    nothing: [process.execPath, empty],
    nothingIs: "node empty.ts (that Node takes types away is most of it)",
    serve: (port, data) => [process.execPath, main, "serve", "--config", writeConfig(data, port)],
    bare: (port) => [process.execPath, bareServer, settings(port)],
  });

  const deno = findDeno();
  if (deno !== null) {
    const run: Line = [deno, "run", "--no-prompt", ...readDenoRights()];
    ways.push({
      name: "Deno",
      file: null,
      version: [...run, main, "--version"],
      nothing: [...run, empty],
      nothingIs: "deno run empty.ts",
      serve: (port, data) => [...run, main, "serve", "--config", writeConfig(data, port)],
      bare: (port) => [...run, bareServer, settings(port)],
    });
  } else missing.Deno = "node_modules has no Deno: run npm ci";
  return { ways, missing };
}

function writeConfig(dir: string, port: number): string {
  const path = join(dir, "config.json");
  const config = benchConfig({ server: { listen: `127.0.0.1:${port}` } });
  writeFileSync(path, JSON.stringify({ ...config, dataDir: join(dir, "data") }));
  return path;
}
