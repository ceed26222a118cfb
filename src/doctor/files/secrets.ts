import { stat } from "node:fs/promises";
import { codeOf } from "../../errors.ts";
import type { Judged } from "../config.ts";
import { type Finding, failed, isDenied, of, ok, USE_ANOTHER_USER, warning } from "../probe.ts";
import { type Account, formatMode, may } from "./permissions.ts";

/** Who may read the config, the files of its secrets, and `others` that hold one. `account`: the relay's, where it is known. */
export async function judgeSecrets(
  { path, secrets }: Pick<Judged, "path" | "secrets">,
  others: string[],
  account: Account | null,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  // A config that cannot be read is a line of the config's own probe.
  if (path !== null && secrets !== null) {
    findings.push(of("config", await judgeFile(path, account, { isSecret: secrets.inline })));
  }
  const paths = new Set([...(secrets?.files ?? []), ...others]);
  const judged = await Promise.all([...paths].map((file) => judgeFile(file, account, { isSecret: true })));
  const wrong = judged.filter(({ state }) => state !== "ok");
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
