/**
 * The usual form of an http(s) address: its host is of words in lower case, the last of which begins with a letter, and it names no
 * port. Where none of the words begins with "xn--", such a host is valid as it is, whatever follows (url.spec.whatwg.org, "domain
 * to ASCII"). To read it takes a tenth of what a parser does, which each link would go through four times.
 */
const USUAL = /^https?:\/\/((?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*)(?=[/?#]|$)/;

/** The host of an address in its usual form; undefined: a parser has to read it. */
function usualHost(url: string): string | undefined {
  const host = USUAL.exec(url)?.[1];
  return host?.includes("xn--") ? undefined : host;
}

/** Whether a text is a URL. */
export function isUrl(text: string): boolean {
  return usualHost(text) !== undefined || URL.canParse(text);
}

/** Host and port of an http(s) link, lower case; "" for any other text. */
export function hostOf(url: string): string {
  const usual = usualHost(url);
  if (usual !== undefined) return usual;
  const link = URL.canParse(url) ? new URL(url) : null;
  return link && /^https?:$/.test(link.protocol) ? link.host : "";
}
