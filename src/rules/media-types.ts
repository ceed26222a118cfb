import type { MediaKind } from "../model/medium.ts";

/** The content type of bytes of which no more is known. */
export const UNKNOWN_TYPE = "application/octet-stream";

const TYPES_OF = { video: /^video\//, thumbnail: /^image\// } satisfies Record<MediaKind, RegExp>;

/** Whether a content type is one of a medium of this kind. */
export function isTypeOf(kind: MediaKind, contentType: string): boolean {
  return TYPES_OF[kind].test(contentType);
}

/** SVG is a document that runs scripts. */
const INLINE = /^(?:video|image)\/(?!svg)[a-z0-9.+-]+$/i;

/** Whether browsers may show a copy of this content type; others are offered as a download. */
export function isInline(contentType: string | null): contentType is string {
  return contentType !== null && INLINE.test(contentType);
}
