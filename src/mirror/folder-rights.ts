import { chmod, lchown, lstat, stat } from "node:fs/promises";
import { codeOf } from "./durable.ts";

/** What a folder lets its group and others do. */
export type FolderRights = { gid: number; mode: number };

/** Of folders: set group id, and what lets others than the owner look in. Of files: what lets them read. */
const FOLDER_BITS = 0o2055;
const FILE_BITS = 0o044;
const OTHERS = 0o005;
const SET_GROUP = 0o2000;

/** Null: the folder is its owner's alone, as the relay makes it, or this system has no owners. */
export async function readRights(folder: string): Promise<FolderRights | null> {
  const { gid, mode } = await stat(folder);
  return (mode & 0o055) === 0 ? null : { gid, mode };
}

/** Whether what is made in the folder has its group by itself (inode(7)); a link that is made there keeps the group it has. */
export const passesGroupOn = ({ mode }: FolderRights) => (mode & SET_GROUP) !== 0;

/**
 * Gives a file or folder of ours the group of the folder that it lies in, and adds the rights that this gives to its group
 * and to others: a web server that may look into the folder may read the copies, whatever the umask. False: it cannot, because
 * only root and members of a group may give a file to it.
 */
export async function giveRights(path: string, { gid, mode }: FolderRights): Promise<boolean> {
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
    if ((found.mode & wanted) !== wanted) await chmod(path, (found.mode & 0o7777) | wanted);
    return hasGroup || isOpenToOthers;
  } catch (error) {
    if (["EPERM", "EACCES", "EROFS", "ENOTSUP"].includes(codeOf(error))) return false;
    throw error;
  }
}
