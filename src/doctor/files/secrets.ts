import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { codeOf } from "../../platform/files/durable.ts";
import { type Finding, failed, isDenied, ok, type Probe, USE_ANOTHER_USER, warning } from "../probe.ts";
import { type Account, formatMode, may } from "./permissions.ts";

/** The options of a config that hold secrets (config/schema.ts); the id of a key is none. */
const SECRETS = new Set(["token", "secret", "secretAccessKey", "sessionToken"]);

/** Headers that hold a secret: the credentials for a gateway before an app. */
const SECRET_HEADER = /^authorization$|key$|token$/i;

/** The secrets of a parsed config file: whether the file holds one itself, and the files that it names for the others. */
export function findSecrets(config: unknown): { inline: boolean; files: string[] } {
  const found = { inline: false, files: [] as string[] };
  const take = (given: unknown): void => {
    if (Array.isArray(given)) for (const one of given) take(one);
    else if (typeof given === "string") found.inline = true;
    else if (typeof (given as { file?: unknown } | null)?.file === "string") {
      found.files.push((given as { file: string }).file);
    }
  };
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, member] of Object.entries(value)) {
      if (SECRETS.has(key)) take(member);
      else if (key === "headers" && Object.keys(member ?? {}).some((name) => SECRET_HEADER.test(name))) {
        found.inline = true;
      } else walk(member);
    }
  };
  walk(config);
  return found;
}

/** Who may read the config and the files of its secrets. `raw` is the parsed file, null where it cannot be read. */
export function secretsProbes(options: {
  path: string | null;
  folder: string;
  raw: unknown;
  tlsKey: string | null;
  account: Account | null;
  platform: string;
}): Probe[] {
  const { path, folder, raw, tlsKey, account, platform } = options;
  if (platform === "win32") return [];
  const { inline, files } = findSecrets(raw);
  const secrets = new Set([...files.map((file) => resolve(folder, file)), ...(tlsKey === null ? [] : [tlsKey])]);
  const probes: Probe[] = [];
  // A config that cannot be read is a line of the config's own probe.
  if (path !== null && raw !== null) {
    probes.push({ name: "files.config", run: () => judgeFile(path, account, { isSecret: inline }) });
  }
  if (secrets.size > 0) {
    const run = async () => {
      const judged = await Promise.all([...secrets].map((file) => judgeFile(file, account, { isSecret: true })));
      const wrong = judged.filter(({ state }) => state !== "ok");
      return wrong.length > 0 ? wrong : ok(`${secrets.size} of them, none of them readable by others`);
    };
    probes.push({ name: "files.secrets", run });
  }
  return probes;
}

async function judgeFile(path: string, account: Account | null, { isSecret }: { isSecret: boolean }): Promise<Finding> {
  const file = await stat(path).catch((error: unknown) => error as Error);
  if (file instanceof Error) {
    return failed(`${path} cannot be looked at (${codeOf(file)})`, isDenied(file) ? USE_ANOTHER_USER : null);
  }
  const said = `${path} has mode ${formatMode(file.mode)}`;
  if ((file.mode & 0o002) !== 0)
    return failed(`${said}: every user of this machine can change it`, `chmod o-w ${path}`);
  if (account !== null && !may(account, "read", file)) {
    const { name, gid } = account;
    return failed(
      `${said}: the relay's user ${name} cannot read it`,
      gid === null ? `chown ${name} ${path}, and chmod 600 ${path}` : `chgrp ${gid} ${path}, and chmod 640 ${path}`,
    );
  }
  if (isSecret && (file.mode & 0o004) !== 0) {
    return warning(`${said}: every user of this machine can read the secrets in it`, `chmod o-r ${path}`);
  }
  return ok(`${path}, mode ${formatMode(file.mode)}${isSecret ? "" : ", holds no secret itself"}`);
}
