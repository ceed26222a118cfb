// What is for readers of the sheet and the script alone, and not for browsers: comments, and the room before and between words.

/** A sheet without any string that holds a comment or two spaces. */
export const slimSheet = (css: string): string =>
  css
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\s+/g, " ")
    .replace(/ ?([{};,>]) ?/g, "$1")
    .replace(/: /g, ":")
    .replace(/;}/g, "}")
    .trim();

/** A script whose comments are lines of their own, and whose strings each stand on one line. */
export const slimScript = (js: string): string =>
  js
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(\/\/|\/\*\*.*\*\/$)/.test(line))
    .join("\n");
