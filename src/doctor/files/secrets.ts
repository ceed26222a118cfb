import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { AS_SOMEBODY_ELSE, type Finding, failed, ok, type Probe, warning } from "../probe.ts";
import { type Account, may, tellMode } from "./permissions.ts";
import type { Place } from "./place.ts";

const PATIENCE = 10_000;

/** Under these names a config holds secrets (config.ts); an id of a key is none. */
const SECRETS = new Set(["token", "secret", "secretAccessKey", "sessionToken"]);

/** What a config file, as it was parsed, says of secrets: whether it holds one itself, and the files that hold the others. */
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
      // Where a gateway before an app wants to be shown something, it stands here.
      else if (key === "headers" && Object.keys(member ?? {}).some((name) => /^authorization$|key$|token$/i.test(name)))
        found.inline = true;
      else walk(member);
    }
  };
  walk(config);
  return found;
}

/**
 * Who may read the config and the files with secrets that it names. `raw` is the parsed file, null where it cannot be had;
 * `place` null where no config says where the data are.
 */
export function filesProbes(options: {
  path: string | null;
  folder: string;
  raw: unknown;
  tlsKey: string | null;
  place: (() => Promise<Place>) | null;
  platform: string;
}): Probe[] {
  const { path, folder, raw, tlsKey, place, platform } = options;
  if (platform === "win32") return [];
  const { inline, files } = findSecrets(raw);
  const account = async () => (place === null ? null : ((await place().catch(() => null))?.account ?? null));
  const probe = (name: string, run: () => Promise<Finding | Finding[]>): Probe => ({ name, patience: PATIENCE, run });
  const probes: Probe[] = [];
  if (path !== null) {
    const run = async () => judgeFile(path, { isSecret: inline, account: await account() });
    // Of a file that cannot be read the config's own lines speak.
    if (raw !== null) probes.push(probe("files.config", run));
  }
  const secrets = [...new Set([...files.map((file) => resolve(folder, file)), ...(tlsKey === null ? [] : [tlsKey])])];
  if (secrets.length > 0) {
    probes.push(
      probe("files.secrets", async () => {
        const known = await account();
        const judged = await Promise.all(secrets.map((file) => judgeFile(file, { isSecret: true, account: known })));
        const wrong = judged.filter(({ state }) => state !== "ok");
        return wrong.length > 0 ? wrong : ok(`${secrets.length} of them, none of them readable by others`);
      }),
    );
  }
  return probes;
}

async function judgeFile(path: string, given: { isSecret: boolean; account: Account | null }): Promise<Finding> {
  const { isSecret, account } = given;
  let file: Awaited<ReturnType<typeof stat>>;
  try {
    file = await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return failed(`${path} cannot be looked at (${code})`, code === "EACCES" ? AS_SOMEBODY_ELSE : null);
  }
  const mode = tellMode(Number(file.mode));
  const rights = { uid: Number(file.uid), gid: Number(file.gid), mode: Number(file.mode) };
  if ((rights.mode & 0o002) !== 0) {
    return failed(`${path} has mode ${mode}: anybody on this machine can change it`, `chmod o-w ${path}`);
  }
  if (account !== null && !may(account, "read", rights)) {
    return failed(
      `${path} has mode ${mode}: the relay's user ${account.name} cannot read it`,
      account.gid === null
        ? `chown ${account.name} ${path}, and chmod 600 ${path}`
        : `chgrp ${account.gid} ${path}, and chmod 640 ${path}`,
    );
  }
  if (isSecret && (rights.mode & 0o004) !== 0) {
    return warning(`${path} has mode ${mode}: anybody on this machine can read the secrets in it`, `chmod o-r ${path}`);
  }
  return ok(`${path}, mode ${mode}${isSecret ? "" : ", holds no secret itself"}`);
}
