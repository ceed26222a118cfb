import { realpath } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { type Target, typeOf } from "./table.ts";

/** A folder that the relay uses for something. `name`: what it is; `isWhole`: so are all folders in it. */
export type OwnFolder = { path: string; name: string; isWhole: boolean };

type Settings = {
  dataDir: string;
  mirror: { target: Target; formerTargets: Target[] };
  backup: { dir?: string | undefined } | null;
};

/** The folders that a config gives the relay, absolute: what else is kept needs one of its own. */
export function ownFolders({ dataDir, mirror, backup }: Settings): OwnFolder[] {
  const whole = (path: string, name: string) => ({ path, name, isWhole: true });
  const targets = [mirror.target, ...mirror.formerTargets].map((target) => typeOf(target).folderOf(target));
  return [
    { path: dataDir, name: "the data folder", isWhole: false },
    whole(join(dataDir, ".archive"), "for files on their way, which are removed"),
    whole(join(dataDir, "spool"), "the spool, which is emptied at a start"),
    ...[join(dataDir, "media"), ...targets].flatMap((path) => (path === null ? [] : whole(path, "a folder of copies"))),
    whole(backup?.dir ?? join(dataDir, "backups"), "the folder of backups"),
  ];
}

/** The folder that `dir` is, or lies in; null: it is one of its own. Both are compared as they are written. */
export function folderOfAnother(dir: string, folders: OwnFolder[]): OwnFolder | null {
  const isIn = ({ path, isWhole }: OwnFolder) =>
    dir === path || (isWhole && dir.startsWith(path.endsWith(sep) ? path : path + sep));
  return folders.find(isIn) ?? null;
}

/** The same, without symbolic links: as the folders are now. */
export async function realFolderOfAnother(dir: string, folders: OwnFolder[]): Promise<OwnFolder | null> {
  const real = await Promise.all(folders.map(async (one) => ({ ...one, path: await realOf(one.path) })));
  return folderOfAnother(await realOf(dir), real);
}

/** Of a path that is not there yet: as it would be made. */
async function realOf(path: string): Promise<string> {
  const real = await realpath(path).catch(() => null);
  if (real !== null || path === dirname(path)) return real ?? path;
  return join(await realOf(dirname(path)), basename(path));
}
