import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { bareEnvironment } from "../support/environment.ts";

/** The languages of the snippets, by the endings of their files. */
export type Language = "mjs" | "py" | "php" | "go";

/** A command line, and what its environment has on top. */
type Run = { command: string; args: string[]; env?: Record<string, string> };

type Runtime = {
  /** The program, and the Debian package that brings it. Null: this very runtime. */
  needs: [program: string, debian: string, version: string] | null;
  /** How an app around a snippet is started, `snippet` being its path in a folder that is the test's own. */
  app(snippet: string, folder: string): Run;
  /** How a script of this folder is run. */
  script(path: string, folder: string): Run;
};

const inFolder = (name: string) => join(import.meta.dirname, name);
const self = { command: process.execPath, args: "Deno" in globalThis ? ["run", "-A"] : [] };

export const LANGUAGES: Record<Language, Runtime> = {
  mjs: {
    needs: null,
    app: (snippet) => ({ ...self, args: [...self.args, inFolder("app.mjs"), snippet] }),
    script: (path) => ({ ...self, args: [...self.args, path] }),
  },
  py: {
    needs: ["python3", "python3", "--version"],
    app: (snippet) => ({ command: "python3", args: ["-B", inFolder("app.py"), snippet] }),
    script: (path) => ({ command: "python3", args: ["-B", path] }),
  },
  php: {
    needs: ["php", "php-cli", "--version"],
    app: (snippet) => ({
      command: "php",
      args: ["-S", "127.0.0.1:0", inFolder("app.php")],
      env: { SNIPPET: snippet },
    }),
    script: (path) => ({ command: "php", args: [path] }),
  },
  go: {
    needs: ["go", "golang-go", "version"],
    app(snippet, folder) {
      copyFileSync(inFolder("app.go"), join(folder, "app.go"));
      return build([join(folder, "app.go"), snippet], folder);
    },
    script: (path, folder) => build([path], folder),
  },
};

/** Why programs of a language cannot be run here, for `skip`; false: they can. */
export function missing(language: Language): string | false {
  const needs = LANGUAGES[language].needs;
  if (needs === null) return false;
  const [program, debian, version] = needs;
  if (spawnSync(program, [version]).error) return `${program} not installed (Debian: apt-get install ${debian})`;
  // It asks the kernel for the time, without the C library that faketime stands before.
  return language === "go" && process.env.FAKETIME !== undefined && "Go programs have the real time, not faketime's";
}

/** Compiles a program. Go keeps what it has compiled, its standard library above all, among the caches of the tests. */
function build(files: string[], folder: string): Run {
  const program = join(folder, "program");
  const cache = fileURLToPath(new URL("../../node_modules/.cache/go", import.meta.url));
  const env = { ...bareEnvironment(), GOCACHE: cache, GOTOOLCHAIN: "local", GO111MODULE: "off", CGO_ENABLED: "0" };
  const { status, stderr } = spawnSync("go", ["build", "-o", program, ...files], {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`go build failed: ${stderr}`);
  return { command: program, args: [] };
}

/** Starts it; its output is kept apart, and the caller ends it. */
export function start({ command, args, env }: Run, more: Record<string, string> = {}): ChildProcess {
  return spawn(command, args, { env: { ...bareEnvironment(), ...env, ...more }, stdio: ["pipe", "pipe", "pipe"] });
}
