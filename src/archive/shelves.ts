import { realpath } from "node:fs/promises";
import { RelayError } from "../errors.ts";
import { ARCHIVE_FOLDER, type ArchivePlace } from "../model/archive.ts";
import type { Retention } from "../model/retention.ts";
import { type OwnFolder, realFolderOfAnother } from "../targets/own-folders.ts";
import { folderTarget, openTarget } from "../targets/table.ts";
import type { Access, MirrorTarget } from "../targets/target.ts";

const isThere = (dir: string) =>
  realpath(dir).then(
    () => true,
    () => false,
  );

/** Where parts lie. Keys are names in a folder; in a target they are below `~archive/`. */
export type Shelf = Pick<MirrorTarget, "put" | "read" | "delete" | "list">;

/** The targets of the config, and former ones by the store's id. */
export type ArchiveTargets = { present: Shelf; presentId: string; at(id: string): Promise<Shelf | null> };

export type Shelves = {
  /** Where new parts go; `folder`: below which keys begin. */
  present(): Promise<{ place: ArchivePlace; folder: string | null; shelf: Shelf }>;
  /** Where the file goes that takes the place of one there: as new ones, or, where nothing is archived any longer, beside it. */
  instead(place: ArchivePlace): Promise<{ place: ArchivePlace; folder: string | null; shelf: Shelf }>;
  /** Where a part lies. RelayError("target_unavailable") where that cannot be reached. */
  at(place: ArchivePlace): Promise<Shelf>;
};

/**
 * `archive`: as the config says, null where it says nothing; `targets` is asked when a target is needed. `access` "shared":
 * another process may use the folder, which is not made, but where new parts go by `make`, which may leave a missing one
 * missing. `taken`: folders in none of which parts may be written.
 */
export function openShelves(options: {
  archive: Retention["archive"];
  targets(): Promise<ArchiveTargets>;
  access: Access;
  taken: OwnFolder[];
  make?(dir: string): Promise<void>;
}): Shelves {
  const { archive = null, targets, access, taken, make = async () => {} } = options;

  async function openFolder(dir: string, how: Access): Promise<Shelf> {
    if (how !== "own" && !(await isThere(dir)))
      throw new RelayError("target_unavailable", `${dir}, the folder of the archive, is not there: bring it back`);
    return openTarget(folderTarget(dir), { access: how });
  }

  /** The config was checked; links may have been made since. */
  async function refuseTaken(dir: string): Promise<void> {
    const other = await realFolderOfAnother(dir, taken);
    if (other === null) return;
    const line = `${dir}, the folder of the archive, is, or lies in, ${other.path}, ${other.name}`;
    throw new RelayError("target_unavailable", `${line}: set retention.archive.dir to a folder of its own`);
  }

  const shelves: Shelves = {
    async present() {
      if (archive === null) throw new RelayError("conflict", "retention.archive is not set: nothing is archived");
      if (archive !== "target") {
        const { dir } = archive;
        await refuseTaken(dir);
        if (!(await isThere(dir))) await make(dir);
        return { place: { dir }, folder: null, shelf: await openFolder(dir, access) };
      }
      const { present, presentId } = await targets();
      return { place: { target: presentId }, folder: ARCHIVE_FOLDER, shelf: present };
    },

    async instead(place) {
      if (archive !== null) return shelves.present();
      return { place, folder: "target" in place ? ARCHIVE_FOLDER : null, shelf: await shelves.at(place) };
    },

    async at(place) {
      if ("target" in place) {
        const shelf = await (await targets()).at(place.target);
        if (shelf !== null) return shelf;
        throw new RelayError("target_unavailable", `the database has no target ${place.target}`);
      }
      try {
        return await openFolder(place.dir, "shared");
      } catch (error) {
        // The folder may have been moved as a whole.
        if (archive === null || archive === "target" || archive.dir === place.dir) throw error;
        return openFolder(archive.dir, "shared");
      }
    },
  };
  return shelves;
}
