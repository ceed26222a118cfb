/** The link for display and logs: without query, fragment, user name and password; also where it is no URL. */
export function withoutQuery(url: string): string {
  if (!URL.canParse(url)) return url.split(/[?#]/, 1)[0]!.replace(/^([^/]*\/\/)[^/]*@/, "$1");
  const link = new URL(url);
  link.search = link.hash = link.username = link.password = "";
  return link.href;
}
