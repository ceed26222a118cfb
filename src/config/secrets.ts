import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { SecretInput } from "../config.ts";
import { errorLine, RelayError } from "../errors.ts";

/** What a relative path in the config is relative to, and where secrets may come from. */
export type Surroundings = { env: Record<string, string | undefined>; folder: string };

/**
 * The value of a secret: itself, an environment variable, a file without its last line break, or a systemd credential
 * (systemd.io/CREDENTIALS). RelayError("config") says which one is missing, never what one holds.
 */
export function readSecret(secret: SecretInput, { env, folder }: Surroundings): string {
  if (typeof secret === "string") return secret;
  if ("env" in secret) return nonEmpty(readVariable(secret.env, env), `the environment variable ${secret.env}`);
  if ("file" in secret) {
    const file = resolve(folder, secret.file);
    return nonEmpty(readLine(file), `the file ${file}`);
  }
  const name = secret.credential;
  if (!/^[^/\0]+$/.test(name) || name === "." || name === "..") {
    throw new RelayError("config", "the name of a credential is the name of a file, without a folder");
  }
  const credentials = env.CREDENTIALS_DIRECTORY;
  if (!credentials) {
    throw new RelayError(
      "config",
      `the credential ${name} needs $CREDENTIALS_DIRECTORY, which systemd sets for a service`,
    );
  }
  return nonEmpty(readLine(resolve(credentials, name)), `the credential ${name}`);
}

function readVariable(name: string, env: Record<string, string | undefined>): string {
  const value = env[name];
  if (value === undefined) throw new RelayError("config", `the environment variable ${name} is not set`);
  return value;
}

function readLine(file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new RelayError("config", `cannot read ${file}: ${reasonOf(error)}`);
  }
}

function nonEmpty(value: string, what: string): string {
  if (value === "") throw new RelayError("config", `${what} is empty`);
  return value;
}

const REASONS: Record<string, string> = {
  ENOENT: "no such file",
  ENOTDIR: "no such file",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
};

/** Why a file could not be read, in a few words. */
export function reasonOf(error: unknown): string {
  return REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? errorLine(error);
}
