import { Buffer } from "node:buffer";
import type { PutObjectCommandInput } from "@aws-sdk/client-s3";
import { isInline } from "../../rules/media-types.ts";
import type { About } from "../target.ts";
import type { S3Target } from "./options.ts";

/** An object's headers and metadata, the same for an upload in one piece and in parts. */
export type ObjectHeaders = Pick<
  PutObjectCommandInput,
  | "ContentType"
  | "ContentDisposition"
  | "CacheControl"
  | "StorageClass"
  | "ServerSideEncryption"
  | "SSEKMSKeyId"
  | "Metadata"
>;

/**
 * The headers and metadata of an object. Types that browsers run are marked for download, because readers get them
 * straight from the store, without the relay's own headers.
 */
export function objectHeaders(config: S3Target, about: About): ObjectHeaders {
  const { cacheControl, storageClass, serverSideEncryption, kmsKeyId } = config;
  return {
    ContentType: /^[\x20-\x7e]+$/.test(about.contentType) ? about.contentType : "application/octet-stream",
    ...(isInline(about.contentType) ? {} : { ContentDisposition: "attachment" }),
    ...(cacheControl === null ? {} : { CacheControl: cacheControl }),
    // Any text: other stores have classes and kinds of encryption of their own.
    ...(storageClass === null ? {} : { StorageClass: storageClass as ObjectHeaders["StorageClass"] }),
    ...(serverSideEncryption === null
      ? {}
      : { ServerSideEncryption: serverSideEncryption as ObjectHeaders["ServerSideEncryption"] }),
    ...(kmsKeyId === null ? {} : { SSEKMSKeyId: kmsKeyId }),
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
  return id.replace(/[^\x21-\x24\x26-\x7e]+/gu, (some) =>
    [...Buffer.from(some)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}
