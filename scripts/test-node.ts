import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { ROOT } from "./root.ts";

// npm run test:node -- 22 [test files]
// Runs the test suite on the newest Node of a major version, from npm's package of it (npm checks its hash), kept in build/.
// It comes first in PATH, so that whatever the tests start by its name is that Node as well.

const [major, ...files] = process.argv.slice(2);
try {
  if (!/^\d+$/.test(major ?? "")) throw new Error("which Node? npm run test:node -- 22");
  const node = bringNode(major!);
  console.log(`on Node ${run(node, ["-p", "process.versions.node"]).trim()}`);
  const path = [join(node, ".."), process.env.PATH].join(delimiter);
  const { status } = spawnSync(node, ["scripts/test.ts", ...files], {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, PATH: path },
  });
  process.exitCode = status ?? 1;
} catch (error) {
  console.error(`test:node: ${(error as Error).message}`);
  process.exitCode = 1;
}

/** The path of that Node: the newest of its major version. */
function bringNode(major: string): string {
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const folder = join(ROOT, "build", `node-${major}`);
  mkdirSync(folder, { recursive: true });
  run("npm", ["install", "--prefix", folder, "--no-save", "--ignore-scripts", "--prefer-online", `${name}@${major}`]);
  return join(folder, "node_modules", name, "bin", process.platform === "win32" ? "node.exe" : "node");
}

function run(command: string, args: string[]): string {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${stderr.trim().split("\n")[0]}`);
  return stdout;
}
