/** Stands for a value that is set and not shown: of a header, and of credentials in a URL (CONTRACT, "Config"). */
export const SET = "(set)";

/** An endpoint's URL as it is shown: a query, and a user name with its password, are "(set)". */
export function shownUrl(given: string): string {
  const url = new URL(given);
  if (url.username !== "" || url.password !== "") {
    url.username = SET;
    url.password = "";
  }
  if (url.search !== "") url.search = SET;
  url.hash = "";
  return url.href;
}
