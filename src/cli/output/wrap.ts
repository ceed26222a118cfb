import stringWidth from "string-width";

/** The widest line of help, in cells: the narrowest terminals are that wide. */
export const WIDTH = 80;

/**
 * Breaks text into lines of at most `width` cells. Lines that begin with a blank (examples) are kept; the others of a
 * paragraph flow together. A word that is wider than a line has one of its own.
 */
export function wrap(text: string, { width = WIDTH, indent = 0 } = {}): string {
  const lines: string[] = [];
  let words: string[] = [];
  const flush = () => {
    if (words.length > 0) lines.push(...fill(words, width - indent));
    words = [];
  };
  for (const line of text.split("\n")) {
    const isKept = line === "" || /^\s/.test(line);
    if (isKept) flush();
    if (isKept) lines.push(line);
    else words.push(...line.split(" "));
  }
  flush();
  const margin = " ".repeat(indent);
  return lines.map((line) => (line === "" ? line : margin + line)).join("\n");
}

/** One line broken to `width` cells; what follows its first is as far in as its words begin, at `indent`. */
export function hang(line: string, { width, indent }: { width: number; indent: number }): string[] {
  const rest = fill(line.slice(indent).split(" "), width - indent);
  return rest.map((text, at) => (at === 0 ? line.slice(0, indent) : " ".repeat(indent)) + text);
}

function fill(words: string[], width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    if (line !== "" && stringWidth(line) + 1 + stringWidth(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
