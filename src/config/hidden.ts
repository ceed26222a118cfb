import { hash } from "node:crypto";
import { resolve } from "node:path";
import type { SecretInput } from "../option-values.ts";
import { readSecret, type Surroundings } from "./secrets.ts";

/** Stands for a value that is set and not shown: of a header, and of credentials in a URL (CONTRACT, "Config"). */
export const SET = "(set)";

/** An endpoint's URL as it is shown: a query, and a user name with its password, are "(set)". */
export function shownUrl(given: string): string {
  const url = new URL(given);
  if (url.username !== "" || url.password !== "") {
    url.username = SET;
    url.password = "";
  }
  if (url.search !== "") url.search = SET;
  url.hash = "";
  return url.href;
}

/**
 * Which secret an option names, without its value. `place`: where it is, in words. `mark`: the first 8 hexadecimal digits of
 * the SHA-256 of its text, by which two places can compare what they have; null: it was not read, or cannot be read here.
 */
export type SecretMark = { place: string; mark: string | null };

/**
 * Which secrets are read; the others are empty in the config. `false`: none, for commands that only read the database,
 * where the service's environment is missing; "target": those of the mirror's targets, for commands that open them; "marks":
 * none, but the marks of the endpoints', where they can be read.
 */
export type SecretsWanted = boolean | "target" | "marks";

/** `wanted`: their values are read for their marks where it is true or "marks". */
export function describeSecrets(
  given: SecretInput | SecretInput[] | undefined,
  from: Surroundings,
  wanted: SecretsWanted,
): SecretMark[] {
  const reads = wanted === true || wanted === "marks";
  const secrets = given === undefined ? [] : [given].flat();
  return secrets.map((secret) => ({ place: placeOf(secret, from.folder), mark: reads ? markOf(secret, from) : null }));
}

function placeOf(secret: SecretInput, folder: string): string {
  if (typeof secret === "string") return "in the config file";
  if ("env" in secret) return `environment variable ${secret.env}`;
  return "file" in secret ? `file ${resolve(folder, secret.file)}` : `credential ${secret.credential}`;
}

function markOf(secret: SecretInput, from: Surroundings): string | null {
  try {
    const text = readSecret(secret, from);
    return text === null ? null : hash("sha256", text).slice(0, 8);
  } catch {
    return null;
  }
}
