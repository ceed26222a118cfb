import { join } from "node:path";
import type { TargetType } from "../type.ts";
import { checkLocal, localOptions, resolveLocal } from "./options.ts";
import { fromStored, INCOMING, type LocalTarget, otherNames, toStored } from "./place.ts";
import { findUnreadable } from "./unreadable.ts";

/** Copies in a folder of this machine. */
export const local: TargetType<typeof localOptions, LocalTarget> = {
  options: localOptions,
  words: {
    type: "A folder of this machine",
    dir: "The folder. Default: <dataDir>/media",
  },
  secrets: {},
  check: checkLocal,
  warn: () => [],
  resolve: resolveLocal,

  placeOf: ({ type, dir }) => ({ type, dir }),
  nameOf: ({ dir }) => `local ${dir}`,
  describe: ({ dir }) => `the folder ${dir}`,
  folderOf: ({ dir }) => dir,
  toStored,
  fromStored,
  otherNames,

  open: async (target, { access, log }) => (await import("./open.ts")).openLocalTarget(target, { access, log }),
  openFormer: (place, _present, open) => open(place),

  probe: ({ dir }) => ({
    name: dir,
    folder: { dir, option: "mirror.target.dir", incoming: join(dir, INCOMING) },
    server: null,
    partSize: null,
    unreadable: () => findUnreadable(dir),
    oddities: "warning",
    whenLate: "see whether its disk answers: a network disk that is gone does not",
  }),
};
