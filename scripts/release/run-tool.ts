import { spawn, spawnSync } from "node:child_process";
import process from "node:process";

/** Debian's package of each tool, for who lacks it. */
const FOUND_IN = {
  buildah: "buildah",
  "dpkg-deb": "dpkg",
  lintian: "lintian",
  minisign: "minisign",
  readelf: "binutils",
} as const;

export type Tool = keyof typeof FOUND_IN;

/** Throws one line, with the packages to install, where one of these tools is missing. */
export function assertTools(tools: Tool[]): void {
  const missing = tools.filter(
    (tool) => spawnSync(tool, [tool === "minisign" ? "-v" : "--version"]).error !== undefined,
  );
  if (missing.length === 0) return;
  const packages = missing.map((tool) => FOUND_IN[tool]);
  throw new Error(`missing: ${missing.join(", ")} (apt install ${packages.join(" ")})`);
}

/**
 * Runs a tool to its end and resolves with its output. Rejects with one line: where it is missing which package has it,
 * where it fails the first line of what it says.
 */
export function runTool(tool: Tool, args: string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, args, {
      env: { ...process.env, LC_ALL: "C.UTF-8", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      err += text;
    });
    child.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "ENOENT" ? `is missing: apt install ${FOUND_IN[tool]}` : error.message;
      reject(new Error(`${tool} ${why}`));
    });
    child.once("close", (code) => {
      if (code === 0) return resolve(out);
      const [line] = `${err}\n${out}`.split("\n").filter((text) => text.trim() !== "");
      reject(new Error(`${tool} failed (${code}): ${line ?? "it did not say why"}`));
    });
  });
}
