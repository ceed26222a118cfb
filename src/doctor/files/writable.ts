import { access, constants, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { codeOf } from "../../errors.ts";
import { type Finding, failed, isDenied, ok, warning } from "../probe.ts";
import type { DataFolder } from "./data-folder.ts";
import { type Account, formatMode, may, mayByList, ownerName, type Rights } from "./permissions.ts";
import { isReadOnly } from "./read-only.ts";

/** A folder that the relay writes to, and makes where it is missing; `option` of the config names it. */
export type Wanted = { dir: string; option: string };

/** Finds out whether the relay can write to a folder. `ok` also where it is missing and can be made. */
export type JudgeWritable = (wanted: Wanted) => Promise<Finding & { isThere: boolean }>;

type Given = { data: DataFolder | null; user: number | null; sandbox(): Promise<typeof isReadOnly | null> };

/**
 * Judges for the relay's user, also where doctor runs as another one: an attempt of root would prove nothing, since root can write
 * everywhere. As the relay's user the kernel's own answer counts, otherwise the modes of the folder and of those above it.
 */
export function writableJudge({ data, user, sandbox }: Given): JudgeWritable {
  const account = data?.account ?? null;
  const isSelf = account !== null && account.uid === user;
  const who = `the relay's user ${account?.name}`;

  async function judge({ dir, option }: Wanted, { there, trouble }: Nearest): Promise<Finding> {
    const isThere = there === dir;
    const blockedBy = (folder: string) =>
      failed(`${dir}: ${who} may not pass ${folder}`, `chmod o+x ${folder}, or choose another ${option}`);
    if (trouble !== null) {
      if (isSelf && isDenied(trouble)) return blockedBy(there);
      throw trouble;
    }
    const folder = await stat(there);
    if (!folder.isDirectory()) return failed(`${there} is no folder`, `choose another ${option}, or move it away`);
    const real = await realpath(there);
    if (await isReadOnly(there)) {
      return failed(`${dir}: its disk is mounted read-only`, "see the kernel's log, or choose another folder");
    }
    const isMissing = ok(`${dir} is not there yet: the relay makes it`);
    // The user that the relay will run as is not known yet.
    if (account === null) return isThere ? ok(dir) : isMissing;
    const barrier = isSelf ? null : await findBarrier(real, account);
    if (barrier !== null) return blockedBy(barrier);
    const isAllowed = isSelf
      ? await access(there, constants.W_OK | constants.X_OK).then(
          () => true,
          () => false,
        )
      : may(account, "write", folder) && may(account, "search", folder);
    if (!isAllowed) {
      return refused(dir, there, folder, { isSure: isSelf || !mayByList(folder, "write") });
    }
    const isFixed = await sandbox();
    // Another relay runs there where its own data folder would be read-only.
    if (isFixed !== null && !(await isFixed(data!.path)) && (await isFixed(real))) {
      return failed(
        `${dir} is read-only for the relay that runs under systemd`,
        `${isThere ? "" : "make it, then "}systemctl edit wochit-relay: [Service] ReadWritePaths=${dir}, and restart it`,
      );
    }
    return isThere ? ok(`${dir}, writable for ${account.name}`) : isMissing;
  }

  function refused(dir: string, there: string, { mode, uid }: Rights, { isSure }: { isSure: boolean }): Finding {
    const { name, gid } = account!;
    const rights = `(mode ${formatMode(mode)}, of user ${uid})`;
    const [detail, advice] =
      there === dir
        ? [`${dir} ${rights}: ${who} may not write to it`, `chown ${ownerName(account!)} ${dir}`]
        : [
            `${dir} is not there yet, and ${who} may not make it in ${there} ${rights}`,
            `install -d -m 700 -o ${name}${gid === null ? "" : ` -g ${gid}`} ${dir}`,
          ];
    if (isSure) return failed(detail, advice);
    return warning(`${detail}, unless an access control list permits it`, `if none does: ${advice}`);
  }

  return async (wanted) => {
    const nearest = await nearestFolder(wanted.dir);
    return { ...(await judge(wanted, nearest)), isThere: nearest.there === wanted.dir };
  };
}

type Nearest = { there: string; trouble: unknown };

/** The folder itself, or the nearest visible one above it; `trouble`: the first error other than that of a missing folder. */
export async function nearestFolder(dir: string): Promise<Nearest> {
  let trouble: unknown = null;
  for (let at = dir; ; at = dirname(at)) {
    try {
      await stat(at);
      return { there: at, trouble };
    } catch (error) {
      if (!["ENOENT", "ENOTDIR"].includes(codeOf(error))) trouble ??= error;
      if (at === dirname(at)) throw error;
    }
  }
}

/** The outermost folder above this one that an account may not pass. */
async function findBarrier(dir: string, account: Account): Promise<string | null> {
  let barrier: string | null = null;
  for (let at = dirname(dir); ; at = dirname(at)) {
    const found = await stat(at);
    if (!may(account, "search", found) && !mayByList(found, "search")) barrier = at;
    if (at === dirname(at)) return barrier;
  }
}
