import { chmod, lchown, lstat, stat } from "node:fs/promises";
import { codeOf } from "../../errors.ts";
import type { Log } from "../../ports.ts";

/** What a folder lets its group and others do. */
export type FolderRights = { gid: number; mode: number };

/** Of folders: set group id, and what lets others than the owner look in. Of files: what lets them read. */
const FOLDER_BITS = 0o2055;
const FILE_BITS = 0o044;
const OTHERS = 0o005;
const SET_GROUP = 0o2000;

/** How a file is put into a folder. `rights`: to be given to it; null: none. `mayLink`: not where only a copy gets them. */
export type Shared = { rights: FolderRights | null; isPrivate: boolean; mayLink: boolean };

/** Who may read the copies in a folder: whom the folder lets read. */
export function createSharing(root: string, log?: Pick<Log, "warn">) {
  let oddity: string | null = null;

  async function give(path: string, rights: FolderRights): Promise<void> {
    if (!(await giveRights(path, rights))) cannot(rights);
  }

  function cannot({ gid }: FolderRights): void {
    if (oddity !== null) return;
    const fix = `add the relay's user to that group, or chmod g+s ${root}`;
    oddity = `copies in ${root} do not get its group (${gid}), which may not read them: ${fix}`;
    log?.warn("copies cannot be read by their folder's group", { error: oddity });
  }

  return {
    give,
    oddity: () => oddity,

    /** Prepares a file of ours for the folder: a private one is for the relay alone. */
    async prepare(file: string, isPrivate: boolean): Promise<Shared> {
      if (isPrivate) await chmod(file, 0o600);
      const { gid, mode } = await stat(root);
      // Its owner's alone, as the relay makes it.
      if (isPrivate || (mode & 0o055) === 0) return { rights: null, isPrivate, mayLink: true };
      const rights = { gid, mode };
      if (await giveRights(file, rights)) return { rights, isPrivate, mayLink: true };
      // What is made in such a folder has its group by itself; a link that is made there keeps the group it has (inode(7)).
      const passesGroupOn = (mode & SET_GROUP) !== 0;
      if (!passesGroupOn) cannot(rights);
      return { rights, isPrivate, mayLink: !passesGroupOn };
    },
  };
}

/**
 * Gives a file or folder of ours the group of the folder that it lies in, and adds the rights that this gives to its group
 * and to others: a web server that may look into the folder may read the copies, whatever the umask. False: it cannot, because
 * only root and members of a group may give a file to it. `change` is chmod(2), for tests of one that is not permitted.
 */
export async function giveRights(path: string, { gid, mode }: FolderRights, change = chmod): Promise<boolean> {
  try {
    const found = await lstat(path);
    const hasGroup =
      found.gid === gid ||
      (await lchown(path, found.uid, gid).then(
        () => true,
        () => false,
      ));
    const wanted = mode & (found.isDirectory() ? FOLDER_BITS : FILE_BITS) & (hasGroup ? ~0 : OTHERS);
    const isOpenToOthers = (mode & OTHERS) === OTHERS;
    const full = (found.mode & 0o7777) | wanted;
    if ((found.mode & wanted) !== wanted) {
      // A service may not be allowed to set this bit (systemd.exec, RestrictSUIDSGID); the group has been passed on by then.
      await change(path, full).catch((error) => {
        if (codeOf(error) !== "EPERM" || (full & SET_GROUP) === 0) throw error;
        return change(path, full & ~SET_GROUP);
      });
    }
    return hasGroup || isOpenToOthers;
  } catch (error) {
    if (["EPERM", "EACCES", "EROFS", "ENOTSUP"].includes(codeOf(error))) return false;
    throw error;
  }
}
