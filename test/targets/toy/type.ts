import * as v from "valibot";
import { secret, text } from "../../../src/option-values.ts";
import type { TargetType } from "../../../src/targets/type.ts";

const toyOptions = v.strictObject({
  type: v.literal("toy"),
  shelf: text,
  code: v.optional(v.nullable(secret), null),
});

type ToyPlace = { type: "toy"; shelf: string };

export type ToyTarget = ToyPlace & { code: string | null };

/** Copies on a shelf in this process's memory. */
export const toy: TargetType<typeof toyOptions, ToyPlace, ToyTarget> = {
  options: toyOptions,
  words: { type: "A shelf", shelf: "Which one", code: "A secret: what unlocks it" },
  secrets: { code: (text) => text.trim() },
  check({ get, add, isSet }) {
    if (get<string>("shelf") === "top") add("shelf", "is out of reach");
    if (!isSet("code")) add("code", "is missing: a shelf is locked");
  },
  warn: ({ shelf }, path) => (shelf === "low" ? [`${path}.shelf: is within a child's reach`] : []),
  resolve: ({ type, shelf }, { secrets }) => ({ type, shelf, code: secrets.code ?? null }),

  placeOf: ({ type, shelf }) => ({ type, shelf }),
  nameOf: ({ shelf }) => `toy ${shelf}`,
  describe: ({ shelf }) => `the shelf ${shelf}`,
  folderOf: () => null,
  toStored: (place) => place,
  fromStored: (place) => place,
  otherNames: async () => [],

  open: async (target) => (await import("./open.ts")).openToy(target),
  openFormer: (place, present, open) => open({ ...place, code: present?.code ?? null }),

  probe: ({ shelf }) => ({
    name: `shelf ${shelf}`,
    folder: null,
    server: null,
    partSize: null,
    unreadable: async () => null,
    oddities: "ok",
    whenLate: "see who stands in front of it",
  }),
};
