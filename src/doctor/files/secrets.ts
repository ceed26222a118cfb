import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { codeOf } from "../../errors.ts";
import { targetTypes } from "../../targets/table.ts";
import { type Finding, failed, isDenied, of, ok, USE_ANOTHER_USER, warning } from "../probe.ts";
import { type Account, formatMode, may } from "./permissions.ts";

/** The options of a config that hold secrets (config/schema.ts, and those of each type of target); the id of a key is none. */
function isSecret(option: string): boolean {
  if (option === "token" || option === "secret") return true;
  return option !== "accessKeyId" && Object.values(targetTypes).some(({ secrets }) => Object.hasOwn(secrets, option));
}

/** Headers that hold a secret: the credentials for a gateway before an app. */
const SECRET_HEADER = /^authorization$|(key|token|secret)$/i;

/** The secrets of a parsed config file: whether the file holds one itself, and the files that it names for the others. */
export function findSecrets(config: unknown): { inline: boolean; files: string[] } {
  const secrets = [...secretsIn(config)];
  return {
    inline: secrets.some((secret) => typeof secret === "string"),
    files: secrets.map((secret) => (secret as { file?: unknown }).file).filter((file) => typeof file === "string"),
  };
}

/** Each as it is written: itself, or an object with its source. */
function* secretsIn(value: unknown): Generator<unknown> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (isSecret(key)) yield* [member].flat().filter((secret) => secret != null);
    else if (key === "headers") yield* Object.keys(member ?? {}).filter((name) => SECRET_HEADER.test(name));
    else yield* secretsIn(member);
  }
}

/** Who may read the config, the files of its secrets and the key of the listener. `account`: the relay's, where it is known. */
export async function judgeSecrets(options: {
  path: string | null;
  tlsKey: string | null;
  account: Account | null;
}): Promise<Finding[]> {
  const { path, tlsKey, account } = options;
  const findings: Finding[] = [];
  const paths = new Set<string>();
  const config =
    path &&
    (await readFile(path, "utf8")
      .then(JSON.parse)
      .catch(() => null));
  // A config that cannot be read is a line of the config's own probe.
  if (path !== null && config !== null) {
    const { inline, files } = findSecrets(config);
    findings.push(of("config", await judgeFile(path, account, { isSecret: inline })));
    for (const file of files) paths.add(resolve(dirname(path), file));
  }
  if (tlsKey !== null) paths.add(tlsKey);
  const secrets = await Promise.all([...paths].map((file) => judgeFile(file, account, { isSecret: true })));
  const wrong = secrets.filter(({ state }) => state !== "ok");
  if (paths.size > 0 && wrong.length === 0) {
    wrong.push(ok(`${paths.size} of them, none of them readable by others`));
  }
  return [...findings, ...wrong.map((finding) => of("secrets", finding))];
}

async function judgeFile(path: string, account: Account | null, { isSecret }: { isSecret: boolean }): Promise<Finding> {
  const file = await stat(path).catch((error: unknown) => error as Error);
  if (file instanceof Error) {
    return failed(`${path} cannot be looked at (${codeOf(file)})`, isDenied(file) ? USE_ANOTHER_USER : null);
  }
  const mode = `mode ${formatMode(file.mode)}`;
  const said = `${path} has ${mode}`;
  if (file.mode & 0o002) return failed(`${said}: every user of this machine can change it`, `chmod o-w ${path}`);
  if (account !== null && !may(account, "read", file)) {
    const { name, gid } = account;
    const advice =
      gid === null ? `chown ${name} ${path}, and chmod 600 ${path}` : `chgrp ${gid} ${path}, and chmod 640 ${path}`;
    return failed(`${said}: the relay's user ${name} cannot read it`, advice);
  }
  if (isSecret && file.mode & 0o004) {
    return warning(`${said}: every user of this machine can read the secrets in it`, `chmod o-r ${path}`);
  }
  return ok(`${path}, ${mode}${isSecret ? "" : ", holds no secret itself"}`);
}
