import { access, constants, realpath, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { type Finding, failed, ok, type Probe, warning } from "../probe.ts";
import { type Mounts, readMounts } from "./mounts.ts";
import { type Account, may, mayByOthers, ownerName, tellMode } from "./permissions.ts";
import type { Place } from "./place.ts";

const PATIENCE = 10_000;

/** statfs(2): what the kernel makes up, so that nobody can put a file there. */
const NO_DISK = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x63677270, // cgroup2
  0x27e0eb, // cgroup
  0x64626720, // debugfs
  0x1cd1, // devpts
]);

/** A folder that the relay writes to, and makes where it is missing. */
export type Wanted = { dir: string; option: string };

/** Finds out whether the relay can write to a folder. `ok` also where it is missing and can be made. */
export type JudgeWritable = (wanted: Wanted) => Promise<Finding & { isThere: boolean }>;

type Given = { place: () => Promise<Place>; user: number | null; sandbox(): Promise<Mounts | null> };

/**
 * Judges for the relay's user, whoever asks: root can write everywhere, and its own try tells nothing. By the modes of the folder
 * and of those above it then, as the relay's user by the system's own word.
 */
export function writableJudge({ place, user, sandbox }: Given): JudgeWritable {
  return async ({ dir, option }) => {
    const known = await place().catch(() => null);
    const account = known?.account ?? null;
    const { there, denied } = await findNearest(dir);
    const isThere = there === dir;
    const judge = async (): Promise<Finding> => {
      if (denied !== null) {
        if (account === null || account.uid !== user) throw denied;
        return failed(`${dir}: the relay's user ${account.name} may not pass ${there}`, letPass(there, option));
      }
      const { isDirectory, rights } = await lookAt(there);
      if (!isDirectory) return failed(`${there} is no folder`, `choose another ${option}, or move it away`);
      if (NO_DISK.has(Number((await statfs(there)).type) >>> 0)) {
        return failed(`${dir}: no file can be made in ${there}, which is the kernel's`, `choose another ${option}`);
      }
      const real = await realpath(there);
      const refusal = await tryAccess(there);
      if (refusal === "EROFS" || (await readMounts())?.isReadOnly(real)) {
        return failed(`${dir}: its disk is mounted read-only`, "see the kernel's log, or choose another folder");
      }
      const isReady = ok(isThere ? dir : `${dir} is not there yet: the relay makes it`);
      // Nobody knows whom the relay will run as.
      if (account === null) return isReady;
      const wrong = await judgeRights({ dir, there, option, rights, account, isRefused: refusal !== null, user });
      if (wrong !== null) return wrong;
      const mounts = await sandbox();
      if (mounts !== null && !mounts.isReadOnly(known!.dataDir) && mounts.isReadOnly(real)) {
        return failed(
          `${dir} is read-only for the relay that runs under systemd`,
          `${isThere ? "" : "make it, then "}systemctl edit wochit-relay: [Service] ReadWritePaths=${dir}, and restart it`,
        );
      }
      return isThere ? ok(`${dir}, writable for ${account.name}`) : isReady;
    };
    return { ...(await judge()), isThere };
  };
}

type Rights = { uid: number; gid: number; mode: number };

async function lookAt(path: string): Promise<{ isDirectory: boolean; rights: Rights }> {
  const found = await stat(path);
  return { isDirectory: found.isDirectory(), rights: { uid: found.uid, gid: found.gid, mode: found.mode } };
}

/** Null: the relay's user may. */
async function judgeRights(given: {
  dir: string;
  there: string;
  option: string;
  rights: Rights;
  account: Account;
  /** What the system says to this very process. */
  isRefused: boolean;
  user: number | null;
}): Promise<Finding | null> {
  const { dir, there, option, rights, account, isRefused, user } = given;
  const who = `the relay's user ${account.name}`;
  const isSelf = account.uid === user;
  const barrier = isSelf ? null : await findBarrier(there, account);
  if (barrier !== null) return failed(`${dir}: ${who} may not pass ${barrier}`, letPass(barrier, option));
  const isAllowed = may(account, "write", rights) && may(account, "search", rights);
  if (isAllowed || (isSelf && !isRefused)) return null;
  const whose = `mode ${tellMode(rights.mode)}, of user ${rights.uid}`;
  const what =
    there === dir
      ? `${dir} (${whose}): ${who} may not write to it`
      : `${dir} is not there yet, and ${who} may not make it in ${there} (${whose})`;
  const advice = there === dir ? `chown ${ownerName(account)} ${dir}` : makeIt(account, dir);
  if (isSelf || !mayByOthers(rights, "write")) return failed(what, advice);
  return warning(`${what}, unless an access control list lets him`, `if none does: ${advice}`);
}

/** A folder that no other probe writes to. */
export function writableProbe(name: string, wanted: Wanted, judge: JudgeWritable): Probe {
  return {
    name,
    patience: PATIENCE,
    async run() {
      const { isThere: _, ...finding } = await judge(wanted);
      return finding;
    },
  };
}

/** The folder itself, or the nearest above it that can be seen; `denied`: what kept from seeing more. */
async function findNearest(dir: string): Promise<{ there: string; denied: unknown }> {
  let denied: unknown = null;
  for (let at = dir; ; at = dirname(at)) {
    try {
      await stat(at);
      return { there: at, denied };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EACCES" || code === "EPERM") denied ??= error;
      else if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
      if (at === dirname(at)) throw error;
    }
  }
}

/** The system's word for why this very process may not write to a folder; null: it may. */
async function tryAccess(dir: string): Promise<string | null> {
  return access(dir, constants.W_OK | constants.X_OK).then(
    () => null,
    (error: NodeJS.ErrnoException) => error.code ?? "EACCES",
  );
}

/** The outermost folder on the way to one that an account may not pass. */
async function findBarrier(dir: string, account: Account): Promise<string | null> {
  let barrier: string | null = null;
  for (let at = dirname(await realpath(dir)); ; at = dirname(at)) {
    const found = await stat(at);
    if (!may(account, "search", found) && !mayByOthers(found, "search")) barrier = at;
    if (at === dirname(at)) return barrier;
  }
}

function letPass(folder: string, option: string): string {
  return `chmod o+x ${folder}, or choose another ${option}`;
}

/** install(1) makes the folder as the relay would. */
function makeIt({ name, gid }: Account, dir: string): string {
  return `install -d -m 700 -o ${name}${gid === null ? "" : ` -g ${gid}`} ${dir}`;
}
