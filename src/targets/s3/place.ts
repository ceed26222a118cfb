import { type CopyName, partsOfKey } from "../target.ts";
import type { S3Place } from "./options.ts";

export function placeOf({ type, bucket, region, endpoint, prefix, pathStyle }: S3Place): S3Place {
  return { type, bucket, region, endpoint, prefix, pathStyle };
}

export function nameOf({ endpoint, bucket, prefix }: S3Place): string {
  return `s3 ${plainEndpoint(endpoint)} ${bucket} ${prefix}`;
}

export function describe({ bucket, prefix, endpoint }: S3Place): string {
  return `the bucket ${bucket}${prefix === "" ? "" : `/${prefix}`}${endpoint === null ? "" : ` at ${endpoint}`}`;
}

/** One spelling for each endpoint: no capitals in the host, no default port, no slash at the end. */
export function plainEndpoint(endpoint: string | null): string {
  if (endpoint === null) return "amazon";
  return (URL.canParse(endpoint) ? new URL(endpoint).href : endpoint).replace(/\/+$/, "");
}

/** The name of the object that holds a key. Throws for a key that could lead out of the prefix. */
export function objectName(prefix: string, key: string): string {
  const name = partsOfKey(key).join("/");
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** A store may have several addresses: a bucket of the same name at any of them may be the same one. */
export async function otherNames(
  { place, key }: { place: S3Place; key: string },
  others: { id: string; place: S3Place }[],
): Promise<CopyName[]> {
  const object = place.prefix === "" ? key : `${place.prefix}/${key}`;
  return others.flatMap(({ id, place: other }) => {
    const start = other.prefix === "" ? "" : `${other.prefix}/`;
    if (other.bucket !== place.bucket || !object.startsWith(start)) return [];
    const isCertain = plainEndpoint(other.endpoint) === plainEndpoint(place.endpoint);
    return [{ target: id, key: object.slice(start.length), isCertain }];
  });
}
