/** SVG is a document that runs scripts. */
const SHOWN = /^(?:video|image)\/(?!svg)[a-z0-9.+-]+$/i;

/** Whether browsers may show a copy of this content type; all others are for saving only. */
export function isShown(contentType: string | null): boolean {
  return contentType !== null && SHOWN.test(contentType);
}
