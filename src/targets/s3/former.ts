import type { MirrorTarget } from "../target.ts";
import type { S3Error } from "./errors.ts";
import type { S3Place, S3Target } from "./options.ts";
import { plainEndpoint } from "./place.ts";

/** No template and no id makes such a key (`object-keys.ts`). */
const PROBE = "~probe";

/** A store's words for keys that are not its own. */
const FOREIGN = new Set(["InvalidAccessKeyId", "SignatureDoesNotMatch"]);

/**
 * Opens a bucket that the config named before: with the present bucket's keys where both have one endpoint, else with those
 * that the client finds. A bucket of the same name under another address is most likely the same one: its store decides
 * whether it takes the present keys.
 */
export async function openFormerBucket(
  place: S3Place,
  present: S3Target | null,
  open: (target: S3Target) => Promise<MirrorTarget>,
): Promise<MirrorTarget> {
  const withFoundKeys = () => open(formerBucket(place, null));
  if (present === null || present.credentials === null) return withFoundKeys();
  const isSameEndpoint = plainEndpoint(present.endpoint) === plainEndpoint(place.endpoint);
  const isSameName = present.bucket === place.bucket && present.prefix === place.prefix;
  if (!isSameEndpoint && !isSameName) return withFoundKeys();
  const target = await open(formerBucket(place, present));
  if (isSameEndpoint) return target;
  const error = await target.head(PROBE).then(
    () => null,
    (error) => error as Partial<S3Error>,
  );
  if (error === null || (error.status != null && !FOREIGN.has(error.what ?? ""))) return target;
  await target.close();
  if (error.status == null) throw error;
  return withFoundKeys();
}

function formerBucket(place: S3Place, present: S3Target | null): S3Target {
  return {
    ...place,
    credentials: present?.credentials ?? null,
    ca: present?.ca ?? null,
    storageClass: null,
    serverSideEncryption: null,
    kmsKeyId: null,
    cacheControl: null,
  };
}
