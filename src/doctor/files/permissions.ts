import { readFile } from "node:fs/promises";

/** The user that the relay runs as, with the groups that are known of it. */
export type Account = {
  uid: number;
  /** The group of the files that the relay makes; null: not known. */
  gid: number | null;
  /** "wochit-relay", or "998" where passwd(5) has no name for the user. */
  name: string;
  groups: Set<number>;
};

/** An argument of chown(1). */
export function ownerName({ name, gid }: Account): string {
  return gid === null ? name : `${name}:${gid}`;
}

/**
 * The account that owns a file, with its name and groups from passwd(5) and group(5); of a user of a directory service only the
 * ids are known. The file's group is taken as one of the owner's, except root's, which is left from the maker of the folder.
 */
export async function readAccount(
  { uid, gid }: { uid: number; gid: number },
  files = { passwd: "/etc/passwd", group: "/etc/group" },
): Promise<Account> {
  const users = await readTable(files.passwd);
  const [name = String(uid), , , listed] = users.find((fields) => fields[2] === String(uid)) ?? [];
  const primary = listed === undefined ? null : Number(listed);
  const own = gid === 0 && uid !== 0 ? primary : gid;
  const groups = (await readTable(files.group))
    .filter(([, , , members = ""]) => members.split(",").includes(name))
    .map(([, , id]) => Number(id));
  return { uid, gid: own, name, groups: new Set([own, primary, ...groups].filter((id) => id !== null)) };
}

async function readTable(file: string): Promise<string[][]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.split("\n").map((line) => line.split(":"));
}

export type Rights = { uid: number; gid: number; mode: number };

const BITS = { read: 4, write: 2, search: 1 } as const;

/** Whether a file's mode permits this to an account; access control lists are not read. */
export function may({ uid, groups }: Account, what: keyof typeof BITS, file: Rights): boolean {
  if (uid === 0) return true;
  const shift = file.uid === uid ? 6 : groups.has(file.gid) ? 3 : 0;
  return ((file.mode >> shift) & BITS[what]) !== 0;
}

/**
 * Whether an access control list may permit what the mode does not, or a group that is not known here: a list grants at most what the
 * mode grants the group (acl(5)).
 */
export function mayByList({ mode }: Rights, what: keyof typeof BITS): boolean {
  return ((mode >> 3) & BITS[what]) !== 0;
}

/** "0644" */
export function formatMode(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
