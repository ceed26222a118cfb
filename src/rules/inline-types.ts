/** Without SVG, which may run scripts. */
const SHOWN = /^(?:video|image)\/(?!svg)[a-z0-9.+-]+$/i;

/** Whether browsers may show a copy of this content type inline; others are only downloaded. */
export function isShown(contentType: string | null): boolean {
  return contentType !== null && SHOWN.test(contentType);
}
