import { readFile } from "node:fs/promises";

/** Whom the relay runs as: a user, and the groups that are known of him. */
export type Account = {
  uid: number;
  /** Of what he makes; null: not known. */
  gid: number | null;
  /** "wochit-relay", or "998" where the user has no name here. */
  name: string;
  groups: Set<number>;
};

/** What `chown` takes. */
export function ownerName({ name, gid }: Account): string {
  return gid === null ? name : `${name}:${gid}`;
}

/**
 * The account that a file belongs to, with what passwd(5) and group(5) say of it; a user of a directory service has no more than
 * his ids. The group of what he has made is one of his, except root's: that one is left over from who made the folder.
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

type Rights = { uid: number; gid: number; mode: number };

const BITS = { read: 4, write: 2, search: 1 } as const;

/** Whether the mode of a file lets an account do this; access control lists are not looked at. */
export function may({ uid, groups }: Account, what: keyof typeof BITS, file: Rights): boolean {
  if (uid === 0) return true;
  const shift = file.uid === uid ? 6 : groups.has(file.gid) ? 3 : 0;
  return ((file.mode >> shift) & BITS[what]) !== 0;
}

/**
 * Whether somebody whom the mode does not name may have a right by an access control list: what a list gives is within what the
 * mode says of the group (acl(5)). Or by a group that is not known here.
 */
export function mayByOthers({ mode }: Rights, what: keyof typeof BITS): boolean {
  return ((mode >> 3) & BITS[what]) !== 0;
}

/** "0644" */
export function tellMode(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
