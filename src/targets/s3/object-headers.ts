import type { PutObjectCommandInput } from "@aws-sdk/client-s3";
import { isInline } from "../../rules/media-types.ts";
import type { About } from "../target.ts";
import type { S3Target } from "./options.ts";

/** An object's headers and metadata, the same for an upload in one piece and in parts. */
export type ObjectHeaders = ReturnType<typeof objectHeaders>;

/**
 * The headers and metadata of an object. Types that browsers run are marked for download, because readers get them
 * straight from the store, without the relay's own headers.
 */
export function objectHeaders(config: S3Target, about: About) {
  return {
    ContentType: /^[\x20-\x7e]+$/.test(about.contentType) ? about.contentType : "application/octet-stream",
    ContentDisposition: isInline(about.contentType) ? undefined : "attachment",
    CacheControl: config.cacheControl ?? undefined,
    // Any text: other stores have classes and kinds of encryption of their own.
    StorageClass: (config.storageClass ?? undefined) as PutObjectCommandInput["StorageClass"],
    ServerSideEncryption: (config.serverSideEncryption ?? undefined) as PutObjectCommandInput["ServerSideEncryption"],
    SSEKMSKeyId: config.kmsKeyId ?? undefined,
    Metadata: {
      "event-id": encodeValue(about.eventId),
      "video-id": encodeValue(about.videoId),
      sha256: about.sha256,
    },
  };
}

/**
 * Metadata are header values: ASCII without the spaces that a signature folds (SigV4, "canonical headers"). Ids may
 * hold anything: all but printable ASCII, and the percent sign, is percent-encoded, so decodeURIComponent restores any
 * id. The provider's ids stay as they are.
 */
function encodeValue(id: string): string {
  return id.toWellFormed().replace(/[^\x21-\x24\x26-\x7e]+/g, (some) => encodeURIComponent(some));
}
