import { chmod, lchown, lstat, stat } from "node:fs/promises";
import { codeOf } from "../../errors.ts";
import type { Log } from "../../ports.ts";

/** The rights that a folder gives to its group and to others. */
export type FolderRights = { gid: number; mode: number };

/** Folders: the set-group-ID bit, and the bits to list and enter. Files: the bits to read. */
const FOLDER_BITS = 0o2055;
const FILE_BITS = 0o044;
const OTHERS = 0o005;
const SET_GROUP = 0o2000;

/**
 * How a file enters a folder. `rights`: what it gets; null: nothing. `mayLink` is false where only a new file gets the
 * folder's group.
 */
export type Shared = { rights: FolderRights | null; isPrivate: boolean; mayLink: boolean };

/** Makes copies readable for the group and the others that their folder admits. */
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

    /** Prepares a file for the folder; a private one stays readable for the relay alone. */
    async prepare(file: string, isPrivate: boolean): Promise<Shared> {
      if (isPrivate) await chmod(file, 0o600);
      const { gid, mode } = await stat(root);
      // The folder is its owner's alone, as the relay makes it.
      if (isPrivate || (mode & 0o055) === 0) return { rights: null, isPrivate, mayLink: true };
      const rights = { gid, mode };
      if (await giveRights(file, rights)) return { rights, isPrivate, mayLink: true };
      // A new file in such a folder gets its group; a hard link keeps the file's group (inode(7)).
      const passesGroupOn = (mode & SET_GROUP) !== 0;
      if (!passesGroupOn) cannot(rights);
      return { rights, isPrivate, mayLink: !passesGroupOn };
    },
  };
}

/**
 * Gives a file or folder the group of the folder that contains it, and the rights that this folder gives to its group
 * and to others, whatever the umask: a web server that may enter the folder may read the copies. False: not permitted,
 * because only root and members of a group may give a file to it. `change` is chmod(2), replaced in tests.
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
      // A service may be forbidden to set this bit (systemd.exec, RestrictSUIDSGID); the group is passed on already.
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
