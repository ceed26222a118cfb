/** The words of a page, without its markup. */
export const wordsOf = (markup: string): string => readable(markup.replace(/<[^>]+>/g, "")).replace(/\s+/g, " ");

/** What is sent with the form of a page beside what one fills in; of several of one name the last. */
export const hiddenIn = (markup: string): Record<string, string> =>
  Object.fromEntries(
    [...markup.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)].map(([, name, value]) => [
      name!,
      readable(value!),
    ]),
  );

const readable = (text: string): string =>
  text
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&amp;/g, "&");
