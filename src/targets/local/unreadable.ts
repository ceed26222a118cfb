import type { Stats } from "node:fs";
import { lstat, opendir, stat } from "node:fs/promises";
import { join } from "node:path";

/** The most files and folders that are examined. */
const MOST = 2_000;

/** Parts of keys; backups and probes begin with `~`, and are for the relay alone. */
const COPIES = /^\w[\w.~-]*$/;

/**
 * Copies that are unreadable for readers whom their folder admits, a web server in its group for example, and what to
 * do. Null: there are none, or the folder is its owner's alone.
 */
export async function findUnreadable(dir: string): Promise<{ detail: string; advice: string } | null> {
  const folder = await stat(dir);
  const isOpenToGroup = (folder.mode & 0o050) === 0o050;
  const isOpenToOthers = (folder.mode & 0o005) === 0o005;
  if (!isOpenToGroup && !isOpenToOthers) return null;
  const mayRead = (found: Stats) => {
    const [group, others] = found.isDirectory() ? [0o050, 0o005] : [0o040, 0o004];
    const byOthers = (found.mode & others) === others;
    if (isOpenToOthers) return byOthers;
    return byOthers || (found.gid === folder.gid && (found.mode & group) === group);
  };
  let seen = 0;
  let wrong = 0;
  let first = "";
  async function look(within: string, depth: number): Promise<void> {
    for await (const { name } of await opendir(within)) {
      if (seen >= MOST) return;
      if (!COPIES.test(name)) continue;
      const path = join(within, name);
      const found = await lstat(path);
      if (!found.isFile() && !found.isDirectory()) continue;
      seen++;
      if (!mayRead(found)) {
        wrong++;
        first ||= path;
      }
      if (found.isDirectory() && depth > 0) await look(path, depth - 1);
    }
  }
  await look(dir, 4);
  if (wrong === 0) return null;
  const whom = isOpenToOthers ? "others" : `group ${folder.gid}`;
  const rights = isOpenToOthers ? "" : `chgrp -R ${folder.gid} ${dir}, and `;
  return {
    detail: `${dir} is open to ${whom}, ${wrong} of ${seen} files and folders in it are not, ${first} for one: a web server that serves the folder cannot read them`,
    advice: `${rights}chmod -R ${isOpenToOthers ? "a" : "g"}+rX ${dir}; new copies get the group where the relay's user is in it, or after chmod g+s ${dir}`,
  };
}
