import { readFileSync } from "node:fs";
import { join } from "node:path";

const PAGE = join(import.meta.dirname, "../../docs/CONSUME.md");

/** The code blocks of docs/CONSUME.md whose first line is a comment with the name of a file, by that name. */
export function readSnippets(): Map<string, string> {
  const blocks = readFileSync(PAGE, "utf8").matchAll(/^```\w+\n((?:\/\/|#|<\?php \/\/) (\S+\.\w+)\n[\s\S]*?)^```$/gm);
  return new Map([...blocks].map(([, code, name]) => [name!, code!]));
}
