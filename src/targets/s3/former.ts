import type { MirrorTarget } from "../target.ts";
import type { S3Error } from "./errors.ts";
import type { S3Place, S3Target } from "./options.ts";
import { plainEndpoint } from "./place.ts";

/** No key template and no id makes such a key. */
const PROBE = "~probe";

/** Error codes of a store that does not know the keys. */
const FOREIGN = new Set(["InvalidAccessKeyId", "SignatureDoesNotMatch"]);

/**
 * Opens a former bucket: with the present bucket's keys where the endpoint is the same, else with the keys that the
 * client finds. A bucket of the same name at another address is most likely the same one: the present keys are tried,
 * and its store accepts or refuses them.
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
