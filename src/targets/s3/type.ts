import type { TargetType } from "../type.ts";
import { openFormerBucket } from "./former.ts";
import { checkS3, resolveS3, type S3Place, type S3Target, s3Options, s3Secrets, s3Words, warnS3 } from "./options.ts";
import { PART_SIZE } from "./part-size.ts";
import { describe, nameOf, otherNames, placeOf } from "./place.ts";

/** Copies in a bucket of any S3-compatible store. */
export const s3: TargetType<typeof s3Options, S3Place, S3Target> = {
  options: s3Options,
  words: s3Words,
  secrets: s3Secrets,
  check: checkS3,
  warn: warnS3,
  resolve: resolveS3,

  placeOf,
  nameOf,
  describe,
  folderOf: () => null,
  toStored: (place) => place,
  fromStored: (place) => place,
  otherNames,

  // The client costs a hundred milliseconds and thirty megabytes: it is loaded only where there is a bucket.
  open: async (target, opening) => (await import("./open.ts")).openS3Target(target, opening),
  openFormer: openFormerBucket,

  probe: ({ bucket, endpoint, region }) => ({
    name: `bucket ${bucket}`,
    folder: null,
    // Amazon's address of a region where the config names no other.
    server: {
      url: new URL(endpoint ?? `https://s3.${region === null ? "" : `${region}.`}amazonaws.com/`),
      option: "mirror.target.endpoint",
      name: "the bucket",
    },
    partSize: PART_SIZE,
    unreadable: async () => null,
    oddities: "ok",
    whenLate: "see whether the store is up, and mirror.target.endpoint",
  }),
};
