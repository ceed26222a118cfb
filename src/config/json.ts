import { readFileSync } from "node:fs";
import { type ParseErrorCode, printParseErrorCode, visit } from "jsonc-parser";
import type { Path, Problems } from "./problems.ts";
import { reasonOf } from "./secrets.ts";

/** The file's JSON; undefined when there is none to be had, which is then the one problem. */
export function readJson(path: string, problems: Problems): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    problems.add([], `cannot be read: ${reasonOf(error)}`);
    return undefined;
  }
  const faults: string[] = [];
  const names = new Map<string, Set<string>>();
  // JSON.parse alone says neither where all of its errors are, nor that a key comes twice, and it quotes the text: a secret.
  visit(
    text,
    {
      onError: (code, _offset, _length, line, column) =>
        faults.push(
          `is not JSON at ${line + 1}:${column + 1}: ${FAULTS[printParseErrorCode(code as ParseErrorCode)] ?? "cannot be read"}`,
        ),
      onObjectProperty(name, _offset, _length, _line, _column, pathOf) {
        const owner = JSON.stringify(pathOf());
        const seen = names.get(owner) ?? new Set();
        if (seen.has(name)) problems.add([...(pathOf() as Path), name], "is there twice");
        names.set(owner, seen.add(name));
      },
    },
    { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false },
  );
  if (faults[0] === undefined) return JSON.parse(text);
  problems.add([], faults[0]);
  return undefined;
}

const FAULTS: Record<string, string> = {
  InvalidSymbol: "a word that JSON does not know",
  InvalidNumberFormat: "a number that is none",
  PropertyNameExpected: 'expected a "key" (is there a comma too many?)',
  ValueExpected: "expected a value (is there a comma too many?)",
  ColonExpected: "expected a colon",
  CommaExpected: "expected a comma",
  CloseBraceExpected: "expected }",
  CloseBracketExpected: "expected ]",
  EndOfFileExpected: "expected the end of the file",
  InvalidCommentToken: "comments are not JSON",
  UnexpectedEndOfComment: "comments are not JSON",
  UnexpectedEndOfString: "a string without its end",
  UnexpectedEndOfNumber: "a number without its end",
  InvalidUnicode: "\\u without four hex digits",
  InvalidEscapeCharacter: "an escape that JSON does not know",
  InvalidCharacter: "a control character in a string",
};
