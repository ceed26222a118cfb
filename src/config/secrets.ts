import { accessSync, constants } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { errorLine, RelayError } from "../errors.ts";
import type { SecretInput } from "../option-values.ts";
import { readPlainText } from "../platform/files/plain-file.ts";
import type { Problems } from "./problems.ts";

/**
 * The config is checked outside of the service. systemd shows a service's credentials only to it and to root, in this
 * folder, while it runs (systemd.exec(5), LoadCredential=). Before the first start the folder does not exist.
 */
export type Outside = { credentials: string };

/** The credentials of the packaged unit. */
export const OUTSIDE: Outside = { credentials: "/run/credentials/wochit-relay.service" };

/** The folder that relative paths start from, and the sources of secrets. `outside` is null in the service. */
export type Surroundings = {
  env: Record<string, string | undefined>;
  folder: string;
  outside: Outside | null;
};

/**
 * The value of a secret: itself, or what an environment variable, a file or a systemd credential (systemd.io/CREDENTIALS)
 * holds, without its last line break; null for a credential that only the service can read. RelayError("config") names what
 * is missing, and never quotes a value.
 */
export function readSecret(secret: SecretInput, { env, folder, outside }: Surroundings): string | null {
  if (typeof secret === "string") return secret;
  if ("env" in secret) {
    const what = `the environment variable ${secret.env}`;
    const value = env[secret.env];
    if (value === undefined) throw new RelayError("config", `${what} is not set`);
    return nonEmpty(withoutLineBreak(value), what);
  }
  if ("file" in secret) {
    const file = resolve(folder, secret.file);
    return nonEmpty(readLine(file), `the file ${file}`);
  }
  const name = secret.credential;
  if (!/^[^/\0]+$/.test(name) || name === "." || name === "..") {
    throw new RelayError("config", "the name of a credential is the name of a file, without a folder");
  }
  const credentials = env.CREDENTIALS_DIRECTORY || outside?.credentials;
  if (!credentials) {
    throw new RelayError(
      "config",
      `the credential ${name} needs $CREDENTIALS_DIRECTORY, which systemd sets for a service that loads one`,
    );
  }
  const file = resolve(credentials, name);
  if (!env.CREDENTIALS_DIRECTORY && !isReadable(file)) return null;
  return nonEmpty(readLine(file), `the credential ${name}`);
}

/** Whether a file is a credential of the service, which only the service can read. */
export function isOutOfSight(file: string, outside: Outside | null): boolean {
  return outside !== null && file.startsWith(dirname(outside.credentials) + sep) && !isReadable(file);
}

/**
 * The warning that lists the credentials that could not be read: places in the config, each with the credential's name.
 */
export function describeUnseen(unseen: { place: string; name: string }[], { credentials }: Outside): string {
  const why = isReadable(credentials)
    ? "the running service was not given these credentials (LoadCredential= in its unit, then restart it)"
    : "secrets from systemd credentials cannot be looked at outside of the service";
  return `${why}: ${unseen.map(({ place, name }) => `${place} (${name})`).join(", ")}`;
}

/** The problem where a command needs a credential outside of the service. */
export function hiddenCredential(name: string): string {
  return `the credential ${name} can be read by root while the service runs, or where $CREDENTIALS_DIRECTORY is its folder`;
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function readLine(file: string): string {
  try {
    return withoutLineBreak(readPlainText(file));
  } catch (error) {
    throw new RelayError("config", `cannot read ${file}: ${reasonOf(error)}`);
  }
}

/** `echo` and editors end a text with one. */
function withoutLineBreak(text: string): string {
  return text.replace(/\r?\n$/, "");
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

/** Where the admin token is that a relay makes whose config has none. */
export const tokenFileOf = (dataDir: string): string => join(dataDir, "admin-token");

/** A token that can be guessed opens everything: 24 characters of base64 are 144 bits. */
const SHORTEST_TOKEN = 24;

/** What is not as long gets a warning: not all texts are base64. */
const LONG_TOKEN = 32;

export function checkNamedToken(token: string): string {
  if (token.length >= SHORTEST_TOKEN) return checkAdminToken(token);
  throw new RelayError("config", `must have at least ${SHORTEST_TOKEN} characters`);
}

/** It is sent in a header, which holds no spaces around it and no other characters. */
export function checkAdminToken(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new RelayError("config", "must be fit for a header: printable ASCII without spaces");
}

/** The token is a segment of the webhook's path: it must need no escaping there. */
export function checkToken(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token) && !/[/?#%\\]/.test(token) && !/^\.{1,2}$/.test(token)) return token;
  throw new RelayError("config", "must be fit for a path: printable ASCII without spaces and / ? # % \\");
}

type AdminTokens = { adminToken: string | null; adminTokens: (string | null)[] };

/** Of one token with two names it would be a matter of their order what it may do, and which the audit names. */
export function refuseSameTokens({ adminToken, adminTokens }: AdminTokens, problems: Problems): void {
  const places = new Map([[adminToken, "admin.token"]]);
  for (const [at, token] of adminTokens.entries()) {
    const place = token === null ? undefined : places.get(token);
    if (place === undefined) places.set(token, `admin.tokens[${at}].token`);
    else problems.add(["admin", "tokens", at, "token"], `is the same as ${place}: each name has a token of its own`);
  }
}

/** Of the tokens of the admin listener; null: there is none, or it cannot be read here. One line each, with its place. */
export function warnAboutTokens(given: AdminTokens): string[] {
  const named = given.adminTokens.map((token, at) => [`admin.tokens[${at}].token`, token] as const);
  return [["admin.token", given.adminToken] as const, ...named].flatMap(([place, token]) => warnIfShort(place, token));
}

/** One line with its place, or none. */
export function warnIfShort(place: string, token: string | null): string[] {
  if (token === null || token.length >= LONG_TOKEN) return [];
  return [`${place}: is short: with less than ${LONG_TOKEN} characters it may be guessed`];
}
