import { resolve } from "node:path";
import type { LocalTarget, S3Target } from "../config/schema.ts";
import type { TargetPlace } from "../model/medium.ts";

/** Where copies are kept unless the config says otherwise. */
export function defaultMediaFolder(dataDir: string): string {
  return resolve(dataDir, "media");
}

/** What is remembered of a target, so that its copies are found later, whatever the config says by then. */
export function placeOfTarget(config: LocalTarget | S3Target): TargetPlace {
  if (config.type === "local") return { type: "local", dir: config.dir };
  const { type, bucket, region, endpoint, prefix, pathStyle } = config;
  return { type, bucket, region, endpoint, prefix, pathStyle };
}

/** What makes two places the same: how to get there may change, and be spelled in several ways. */
export function nameOfPlace(place: TargetPlace): string {
  if (place.type === "local") return `local ${place.dir}`;
  return `s3 ${plainEndpoint(place.endpoint)} ${place.bucket} ${place.prefix}`;
}

/** An endpoint as every spelling of it has it: no capitals in its host, no default port, no slash at its end. */
export function plainEndpoint(endpoint: string | null): string {
  if (endpoint === null) return "amazon";
  return (URL.canParse(endpoint) ? new URL(endpoint).href : endpoint).replace(/\/+$/, "");
}

/** What a target is told of a file that it shall keep. */
export type About = {
  contentType: string;
  bytes: number;
  sha256: string;
  eventId: string;
  videoId: string;
  replace: boolean;
  /**
   * An earlier attempt may have been killed in the middle, or the file has waited for long: what was left under this very key
   * is cleared first, and the file is proven anew.
   */
  again: boolean;
  /** Readable by the relay's user only. */
  isPrivate?: boolean;
};
